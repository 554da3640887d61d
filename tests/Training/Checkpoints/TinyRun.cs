using Pascl.Training.Optimisation;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Tests.Training.Checkpoints;

/// <summary>A training run of milliseconds that draws random numbers, has running statistics, and weights stored channels last.</summary>
internal sealed class TinyRun : IDisposable
{
    public TinyRun(OptimiserSettings settings, int seed)
    {
        torch.manual_seed(seed);
        Model = torch.nn.Sequential(
            ("conv", torch.nn.Conv2d(3, 4, 3)),
            ("bn", torch.nn.BatchNorm2d(4)),
            ("drop", torch.nn.Dropout(0.3)),
            ("pool", torch.nn.AdaptiveAvgPool2d(1)),
            ("flat", torch.nn.Flatten()),
            ("fc", torch.nn.Linear(4, 2)));
        using (torch.no_grad())
        using (torch.NewDisposeScope())
        {
            var weight = Model.get_parameter("conv.weight")!;
            weight.set_(weight.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2));
        }

        Optimiser = new Optimiser(settings, Model.named_parameters());
    }

    public Sequential Model { get; }

    public Optimiser Optimiser { get; }

    /// <summary>Trains on noise and returns the loss of every step.</summary>
    public float[] Train(int steps)
    {
        var losses = new float[steps];
        for (var i = 0; i < steps; i++)
        {
            using var scope = torch.NewDisposeScope();
            Optimiser.ZeroGradients();
            var labels = torch.randint(2, 8);
            var loss = torch.nn.functional.cross_entropy(Model.forward(torch.randn(8, 3, 6, 6)), labels);
            loss.backward();
            Optimiser.Step();
            losses[i] = loss.item<float>();
        }

        return losses;
    }

    /// <summary>Every byte of the model and of the optimiser.</summary>
    public Dictionary<string, byte[]> Bytes()
    {
        using var scope = torch.NewDisposeScope();
        return Model.state_dict().Concat(Optimiser.State())
            .ToDictionary(entry => entry.Key, entry => entry.Value.detach().contiguous().bytes.ToArray());
    }

    public void Dispose()
    {
        Optimiser.Dispose();
        Model.Dispose();
    }
}
