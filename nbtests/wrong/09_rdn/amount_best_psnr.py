"""The lesson's amount, which is best by PSNR."""

amount = 0.7
