"""The small package that the imgrec_lab course is taught with.

One module a topic; import the module and call through it::

    from imgrec_lab import datasets, models, train

    train_set, val_set, test_set = datasets.load("signs")

Letters used in every docstring and shape comment:

    N  images (or rows) in a batch      K  classes
    C  channels                         M  boxes of one image
    H  height, in pixels                A  locations or anchors
    W  width, in pixels                 D  features

Images are ``float32 (N, C, H, W)`` in [0, 1] once they leave a loader, models return logits, and
boxes are xyxy pixels. Importing the package does no work; each module loads what it needs.
"""

__version__ = "0.1.0"
