using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Interop;
using Pascl.Training.Model;
using TorchSharp;

namespace Pascl.Tests.Training.Deployment;

/// <summary>Narrow networks whose every number is random, so that the branches differ everywhere, and images for them.</summary>
internal static class SmallNetworks
{
    public static DualBranchResNet Create(int width, int classCount = 5, ResNetDepth depth = ResNetDepth.ResNet18, ulong seed = 1)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        using var generator = new torch.Generator(seed);
        var network = new DualBranchResNet(depth, classCount, width, seed, Precision.Float32);
        foreach (var (name, values) in network.state_dict())
        {
            switch (name.Split('.')[^1])
            {
                case "num_batches_tracked":
                    values.add_(name.Contains("auxiliary", StringComparison.Ordinal) ? 7 : 3);
                    break;
                case "running_var" or "weight" when values.dim() == 1:
                    values.uniform_(0.5, 1.5, generator);
                    break;
                case "running_mean" or "bias":
                    values.uniform_(-0.3, 0.3, generator);
                    break;
                case "weight" when name.Contains("linear", StringComparison.Ordinal):
                    values.uniform_(-1, 1, generator);
                    break;
            }
        }

        return network;
    }

    public static DeployedModel Deployed(DualBranchResNet network, string score = "msp", double? threshold = null, int classCount = 5) => new(
        network,
        [.. Enumerable.Range(0, classCount).Select(label => $"class {label}")],
        32,
        DeployedScore.Parse(score, [.. Enumerable.Repeat(10, classCount)]),
        threshold is { } value ? new Calibration(score, 0.95, value, 100) : null);

    public static ImageSet Images(int count, int height, int width)
    {
        var random = new Random(3);
        var pixels = new PixelBlock(count, height, width);
        for (var i = 0; i < count; i++)
        {
            random.NextBytes(pixels.Writable(i));
        }

        return new ImageSet("noise", pixels, new int[count], ["one", "two"]);
    }

    /// <summary>Every tensor of a network byte for byte, by name.</summary>
    public static Dictionary<string, byte[]> Bytes(DualBranchResNet network)
    {
        using var scope = torch.NewDisposeScope();
        return network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().contiguous().bytes.ToArray());
    }
}
