"""Stand-ins for other libraries' things, which refuse what theirs refuse: the tests need none of these libraries."""

import numpy as np


class Tensor:
    """A tensor that NumPy may not read: .float(), .detach(), ... give one that it may."""

    def __init__(self, values, dtype="bfloat16", device="cpu", requires_grad=False):
        self.values, self.dtype, self.device, self.requires_grad = np.asarray(values), dtype, device, requires_grad

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.device != "cpu":
            raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first.")
        if self.dtype == "bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values.astype(dtype)

    def _but(self, **changes):
        return Tensor(self.values, **{"dtype": self.dtype, "device": self.device,
                                      "requires_grad": self.requires_grad} | changes)  # fmt: skip

    def float(self):
        return self._but(dtype="float32")

    def detach(self):
        return self._but(requires_grad=False)

    def cpu(self):
        if self.device == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        return self._but(device="cpu")

    def to_dense(self):
        return self


class Sparse:
    """A sparse matrix: for NumPy some object."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def toarray(self):
        return self.values


class Column:
    """A pandas Series or DataFrame, of nullable numbers or of words: an array of objects, and no [:, None]."""

    def __init__(self, values):
        self.values = np.asarray(values, object)

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or object)

    def to_numpy(self, dtype):
        return self.values.astype(dtype)

    def astype(self, dtype):
        return np.asarray(self.values.astype(dtype))

    def __getitem__(self, key):
        if isinstance(key, tuple):
            raise TypeError("invalid key")
        return self.values[key]

    def __len__(self):
        return len(self.values)


class Sequential:
    """A class of another library that is called like one of ours."""

    def forward(self, x):
        return x


class Type:
    """What torch.float32 is: no dtype of NumPy, but called like one."""

    def __repr__(self):
        return "torch.float32"


FLOAT32 = Type()


def foreign(name, module, *bases):
    """A class of that name which says that it comes from that module."""
    return type(name, bases or (object,), {"__module__": module})


Module = foreign("Module", "torch.nn.modules.module")
