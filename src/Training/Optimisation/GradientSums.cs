using Pascl.Training.Ranks;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>
/// Sums the gradients of parameters over the ranks, each of which has those of its own rows of the batch: in buckets of some megabytes, so that a bucket is on its
/// way while the next one is filled. Gradients of parameters are float32 (or float64) in every precision, and so are the sums.
/// </summary>
internal sealed class GradientSums
{
    // Large enough that a message's latency does not count, small enough that several are on their way: PyTorch's DistributedDataParallel has 25 MiB.
    private const long BucketBytes = 8 << 20;

    private readonly ProcessGroup ranks;
    private readonly Parameter[] parameters;
    private readonly bool[] isWhole;

    /// <summary>Keeps the parameters.</summary>
    /// <param name="ranks">Who shares a batch.</param>
    /// <param name="named">The parameters with their names, in the order of the layers.</param>
    /// <param name="isWholeOnEveryRank">Whether the parameter of a name has the gradient of the whole batch on every rank, so that it counts once.</param>
    public GradientSums(ProcessGroup ranks, IReadOnlyList<(string Name, Parameter Parameter)> named, Predicate<string> isWholeOnEveryRank)
    {
        this.ranks = ranks;

        // From the last layer, whose gradients were there first.
        parameters = [.. named.Reverse().Select(pair => pair.Parameter)];
        isWhole = [.. named.Reverse().Select(pair => isWholeOnEveryRank(pair.Name))];
    }

    /// <summary>Bytes that every rank gave to the sums so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Replaces every gradient by its sum over the ranks.</summary>
    public void Sum()
    {
        if (ranks.IsAlone)
        {
            return;
        }

        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var pending = new List<(PendingSum Sum, torch.Tensor Flat, List<torch.Tensor> Gradients)>();
        foreach (var bucket in Buckets())
        {
            var flat = torch.cat([.. bucket.Select(gradient => gradient.Elements)]);
            Bytes += flat.numel() * flat.element_size();
            pending.Add((ranks.BeginSum(flat), flat, [.. bucket.Select(gradient => gradient.Elements)]));
        }

        foreach (var (sum, flat, gradients) in pending)
        {
            using (sum)
            {
                sum.Finish();
            }

            var first = 0L;
            foreach (var gradient in gradients)
            {
                gradient.copy_(flat.narrow(0, first, gradient.numel()));
                first += gradient.numel();
            }
        }
    }

    private IEnumerable<List<(torch.Tensor Elements, long Bytes)>> Buckets()
    {
        var bucket = new List<(torch.Tensor Elements, long Bytes)>();
        for (var i = 0; i < parameters.Length; i++)
        {
            if (parameters[i].grad is not { } gradient)
            {
                continue;
            }

            if (isWhole[i] && !ranks.IsFirst)
            {
                gradient.zero_();
            }

            // Torch keeps a gradient in the layout of its parameter, the same on every rank.
            bucket.Add((InOrderOfMemory(gradient), gradient.numel() * gradient.element_size()));
            if (bucket.Sum(part => part.Bytes) >= BucketBytes)
            {
                yield return bucket;
                bucket = [];
            }
        }

        if (bucket.Count > 0)
        {
            yield return bucket;
        }
    }

    // All elements as a vector that shares the gradient's memory.
    private static torch.Tensor InOrderOfMemory(torch.Tensor gradient) => gradient.is_contiguous()
        ? gradient.view(-1)
        : gradient.dim() == 4 && gradient.permute(0, 2, 3, 1).is_contiguous()
            ? gradient.permute(0, 2, 3, 1).view(-1)
            : throw new ArgumentException($"A gradient of shape ({string.Join(", ", gradient.shape)}) and strides ({string.Join(", ", gradient.stride())}) has gaps.");
}
