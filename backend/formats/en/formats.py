"""Django looks for these names here, because of FORMAT_MODULE_PATH."""

DATETIME_FORMAT = "Y-m-d H:i:s"
