from django import forms
from django.utils.translation import gettext_lazy as _

from web.studio.restorers import TASKS
from web.studio.samples import SAMPLES


class ChangeForm(forms.Form):
    """A picture or a sample, how it is turned, the square in it, and what to do.

    Without a square, repairs take the whole picture, and all else takes its middle.
    """

    picture = forms.FileField(required=False, allow_empty_file=True)
    sample = forms.ChoiceField(
        required=False, choices=[("", ""), *((name, name) for name in SAMPLES)]
    )
    task = forms.ChoiceField(
        choices=[(name, name) for name in TASKS],
        error_messages={"required": _("Choose what to do with the picture.")},
    )
    left = forms.FloatField(required=False, min_value=0, max_value=1)
    top = forms.FloatField(required=False, min_value=0, max_value=1)
    side = forms.FloatField(required=False, min_value=0, max_value=1)
    turns = forms.IntegerField(required=False, min_value=0, max_value=3)

    def clean(self):
        data = super().clean()
        if not data.get("sample") and not data.get("picture") and "picture" not in self.files:
            raise forms.ValidationError(_("Choose a picture, or take one of the samples."))
        return data
