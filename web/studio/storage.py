from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Static files named by their content, those that JavaScript modules import too."""

    support_js_module_import_aggregation = True
