"""A callback that ends a run."""


def stop(at, error):
    """A callback that ends the run after that epoch: by raising the error, or where that is None by returning True."""

    def callback(epoch, *_):
        if epoch == at and error is not None:
            raise error
        return epoch == at

    return callback
