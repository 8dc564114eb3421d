"""What stands before every view: a look at an upload before it is read."""

from django.conf import settings
from django.core.files.uploadhandler import MemoryFileUploadHandler, SkipFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser

from web.studio import intake, views

FIELDS = 10_000  # bytes of a form beside its picture


class Counting(MemoryFileUploadHandler):
    """Keeps a file in memory, and lets go of it at the limit, whatever Content-Length had said."""

    def handle_raw_input(self, *args, **kwargs):
        self.activated = True
        self.bytes = 0

    def receive_data_chunk(self, raw_data, start):
        self.bytes += len(raw_data)
        if self.bytes > settings.MOST_BYTES:
            self.request.refused = intake.too_large()
            raise SkipFile
        return super().receive_data_chunk(raw_data, start)


class Parser(MultiPartParser):
    """Tells of a path in a file's name, which Django's own takes off without a word."""

    def sanitize_file_name(self, file_name):
        if set(file_name) & set("/\\\0"):
            self._upload_handlers[0].request.refused = intake.path_in_name()
        return super().sanitize_file_name(file_name)


class UploadGuard:
    """Refuses a body that says it is too large; counts while another is read; notes why in
    `request.refused`.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest):
        request.refused = None
        if request.method != "POST":
            return self.get_response(request)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > settings.MOST_BYTES + FIELDS:
            return views.refusal(request, intake.too_large())

        def parse(META, stream):
            return Parser(META, stream, request.upload_handlers, request.encoding).parse()

        request.upload_handlers = [Counting(request)]
        request.parse_file_upload = parse
        return self.get_response(request)
