using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training.Deployment;

/// <summary>Narrow networks whose every number is random, so that the branches differ everywhere, and images for them.</summary>
internal static class SmallNetworks
{
    public static DualBranchNetwork Create(int width, int classCount = 5, string network = "resnet18", ulong seed = 1) =>
        Create(width, new NetworkHead(classCount), network, seed);

    /// <summary>A network of a method; where it keeps class shares, these are long-tailed.</summary>
    public static DualBranchNetwork Create(int width, Recipe recipe, int classCount = 5)
    {
        var network = Create(width, MethodDefinition.Find(recipe.Method).Head(recipe, classCount));
        double[] shares = [.. Enumerable.Range(1, classCount).Select(label => label / (classCount * (classCount + 1) / 2.0))];
        if (network.Method?.ClassShares is not null)
        {
            network.Method.Keep(shares);
        }

        return network;
    }

    private static DualBranchNetwork Create(int width, NetworkHead head, string kind = "resnet18", ulong seed = 1)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        using var generator = new torch.Generator(seed);
        var network = NetworkDefinition.Find(kind).Create(new NetworkSettings(head, width, seed));
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

    /// <summary>A network with its own score, or another one, and perhaps a threshold.</summary>
    public static DeployedModel Deployed(DualBranchNetwork network, string? score = null, double? threshold = null)
    {
        var known = OodScore.OfDeployed(score, Readout.Of(network), [.. Enumerable.Repeat(10, network.Head.ClassCount)]);
        return new(
            network,
            [.. Enumerable.Range(0, network.Head.ClassCount).Select(label => $"class {label}")],
            32,
            ImageGeometry.SmallImages,
            known,
            threshold is { } value ? new ScoreThreshold(known.Name, 0.95, value, 100) : null);
    }

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
    public static Dictionary<string, byte[]> Bytes(DualBranchNetwork network)
    {
        using var scope = torch.NewDisposeScope();
        return network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().contiguous().bytes.ToArray());
    }
}
