"""Copies of a net and its optimizer, however they were made, train on to the bits that the net itself ends with."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from nets_for_processes import KINDS, net_of, train, train_one, trainable

import minigrad as mg


def bytes_of(thing):
    return pickle.loads(pickle.dumps(thing))


def oldest_protocol(thing):
    return pickle.loads(pickle.dumps(thing, protocol=0))


def read_only(thing):
    """Protocol 5: arrays are views of memory that cannot be written to."""
    buffers = []
    data = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])


def unaligned(thing):
    """The buffers come one after the other at odd addresses, as they do out of a stream."""
    buffers = []
    data = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    parts = [bytes(buffer.raw()) for buffer in buffers]
    memory, views, at = bytearray(sum(map(len, parts)) + len(parts) + 1), [], 1
    start = np.frombuffer(memory, np.uint8).ctypes.data
    for part in parts:
        at += (start + at) % 2 == 0
        memory[at : at + len(part)] = part
        views.append(memoryview(memory)[at : at + len(part)])
        at += len(part)
    return pickle.loads(data, buffers=views)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": bytes_of,
    "pickle protocol 0": oldest_protocol,
    "read-only buffers": read_only,
    "unaligned buffers": unaligned,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_trains_on_to_the_same_bits(kind, how, engine):
    if not trainable(kind, engine):
        pytest.skip("not for this engine")
    net, opt, _ = train(net_of(kind), engine=engine)
    other_net, other_opt = COPIES[how]((net, opt))
    before = net.state_dict()["0.weight"]
    other_bits = train(other_net, other_opt, engine)[2]
    np.testing.assert_array_equal(net[0].weight, before)  # it shares nothing with the copy
    assert other_bits == train(net, opt, engine)[2]


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("kind", ["large", "float32", "all layers"])
def test_weights_in_a_memory_map_train_to_the_same_bits(kind, mode, engine, tmp_path):
    if not trainable(kind, engine):
        pytest.skip("not for this engine")
    net, mapped = net_of(kind), net_of(kind)
    for i, layer in enumerate(mapped):
        for name, array in layer.parameters().items() if not layer.children() else ():
            np.save(tmp_path / f"{i}.{name}.npy", array)
            setattr(layer, name, np.load(tmp_path / f"{i}.{name}.npy", mmap_mode=mode))
    assert train(mapped, engine=engine)[2] == train(net, engine=engine)[2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_net_that_comes_back_from_another_process_trains_on_to_the_same_bits(kind, engine):
    if not trainable(kind, engine):
        pytest.skip("not for this engine")
    net, opt, bits = train(net_of(kind), engine=engine)
    configs = [(net_of(kind), None, engine)] * 2
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        back = mg.sweep(train_one, configs, executor, progress=False)
    assert [b for _, _, b in back] == [bits, bits]
    assert train(*back[1][:2], engine)[2] == train(net, opt, engine)[2]
