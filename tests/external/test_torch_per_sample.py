"""Per-sample gradients and their norms, against torch.func.vmap(grad)."""

import numpy as np
from peers import CASES, TOLERANCE, random_case, record, relative_error
from torch_peer import torch, torch_loss, twin

import minigrad as mg

COUNT = max(CASES // 5, 1)


def test_per_sample_gradients_and_norms():
    check = "torch.func.vmap(grad), per sample"
    for seed in range(10_000, 10_000 + COUNT):
        case = random_case(seed, per_sample=True)
        net, loss = twin(case.net), torch_loss(case.loss)
        parameters, buffers = dict(net.named_parameters()), dict(net.named_buffers())

        def sample_loss(parameters, x, y, net=net, loss=loss, buffers=buffers):
            output = torch.func.functional_call(net, (parameters, buffers), (x.unsqueeze(0),))
            return loss(output, y.unsqueeze(0))

        each = torch.func.vmap(torch.func.grad(sample_loss), in_dims=(None, 0, 0))
        found = each(parameters, torch.from_numpy(case.x), torch.from_numpy(case.y))
        bp = mg.backprop(case.net, case.loss, case.x, case.y)
        assert bp.gradients
        for path, g in bp.gradients.items():
            theirs = found[f"{path}.weight"].detach().numpy()
            norms = np.sqrt((theirs**2).sum(axis=(1, 2)))
            pairs = [(g.per_sample(), theirs), (g.per_sample_norms(), norms), (g.weight, theirs.mean(axis=0))]
            if f"{path}.bias" in found:
                pairs.append((g.delta, found[f"{path}.bias"].detach().numpy()))  # delta itself: the bias's input is 1
            for ours, wanted in pairs:
                error = relative_error(ours, wanted)
                record(check, error, f"{path} of case {seed}")
                assert error <= TOLERANCE, f"{path}: relative error {error:.2g}\n{case}"
    record(check, cases=COUNT)
