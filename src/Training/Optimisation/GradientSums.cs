using Pascl.Training.Ranks;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>
/// Sums the gradients of parameters over the ranks, each of which has those of its own rows of the batch: in buckets of some megabytes from the last layer to the
/// first, each on its way as soon as the backward pass has left its layers. Gradients of parameters are float32 (or float64) in every precision, and so are the sums.
/// A parameter's gradient is a part of its bucket afterwards, where the optimiser reads it: nothing is copied back.
/// </summary>
/// <remarks>
/// TorchSharp has no hooks of tensors. But the backward pass stops at every synchronised BatchNorm to exchange its sums, and torch accumulates the gradient of a
/// parameter before it goes on to the layer in front (its queue puts that first): there, whatever has a gradient has all of it.
/// </remarks>
internal sealed class GradientSums
{
    // Large enough that a message's latency does not count, small enough that several are on their way: PyTorch's DistributedDataParallel has 25 MiB.
    private const long BucketBytes = 4 << 20;

    private readonly ProcessGroup ranks;
    private readonly Parameter[] parameters;
    private readonly bool[] isWhole;
    private readonly List<Bucket> pending = [];
    private int[][]? buckets;

    /// <summary>Keeps the parameters.</summary>
    /// <param name="ranks">Who shares a batch.</param>
    /// <param name="named">The parameters with their names, in the order of the layers.</param>
    /// <param name="isWholeOnEveryRank">Whether the parameter of a name has the gradient of the whole batch on every rank, so that it counts once.</param>
    public GradientSums(ProcessGroup ranks, IReadOnlyList<(string Name, Parameter Parameter)> named, Predicate<string> isWholeOnEveryRank)
    {
        this.ranks = ranks;
        parameters = [.. named.Reverse().Select(pair => pair.Parameter)];
        isWhole = [.. named.Reverse().Select(pair => isWholeOnEveryRank(pair.Name))];
    }

    /// <summary>A backward pass begins; there is no gradient yet.</summary>
    public void Begin() => ranks.BackwardReached = ranks.IsAlone ? null : SendComplete;

    /// <summary>The backward pass is over: replaces every gradient by its sum over the ranks.</summary>
    public void Finish()
    {
        if (ranks.IsAlone)
        {
            return;
        }

        ranks.BackwardReached = null;
        buckets ??= Plan();
        while (pending.Count < buckets.Length)
        {
            pending.Add(Send(buckets[pending.Count]));
        }

        pending.ForEach(Receive);
        pending.Clear();
    }

    // The first step finds out which parameters have gradients at all.
    private void SendComplete()
    {
        while (buckets is not null && pending.Count < buckets.Length && buckets[pending.Count].All(HasGradient))
        {
            pending.Add(Send(buckets[pending.Count]));
        }
    }

    private bool HasGradient(int parameter)
    {
        using var gradient = parameters[parameter].grad;
        return gradient is not null;
    }

    private int[][] Plan()
    {
        var (plan, open, bytes) = (new List<int[]>(), new List<int>(), 0L);
        foreach (var parameter in Enumerable.Range(0, parameters.Length).Where(HasGradient))
        {
            open.Add(parameter);
            bytes += parameters[parameter].numel() * parameters[parameter].element_size();
            if (bytes >= BucketBytes)
            {
                plan.Add([.. open]);
                open.Clear();
                bytes = 0;
            }
        }

        return open.Count == 0 ? [.. plan] : [.. plan, [.. open]];
    }

    private Bucket Send(int[] chosen)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        int[] sent = [.. chosen.Where(HasGradient)];
        var gradients = Array.ConvertAll(sent, parameter => InOrderOfMemory(parameters[parameter].grad!));
        foreach (var (parameter, gradient) in sent.Zip(gradients))
        {
            if (isWhole[parameter] && !ranks.IsFirst)
            {
                gradient.zero_();
            }
        }

        var flat = torch.cat(gradients).DetachFromDisposeScope();
        return new Bucket(ranks.BeginSum(flat, ExchangePart.Gradients), flat, sent);
    }

    // Waits, and makes the parts of the bucket the gradients; it lives as long as one of them.
    private void Receive(Bucket bucket)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        bucket.Sum.Finish();
        var first = 0L;
        foreach (var parameter in bucket.Parameters)
        {
            var gradient = parameters[parameter].grad!;
            parameters[parameter].grad = bucket.Flat.as_strided(gradient.shape, gradient.stride(), first);
            first += gradient.numel();
        }

        bucket.Flat.Dispose();
        bucket.Sum.Dispose();
    }

    // All elements as a vector that shares the gradient's memory. Torch gives a gradient the layout of its parameter, the same on every rank.
    private static torch.Tensor InOrderOfMemory(torch.Tensor gradient) => gradient.is_contiguous()
        ? gradient.view(-1)
        : gradient.dim() == 4 && gradient.permute(0, 2, 3, 1).is_contiguous()
            ? gradient.permute(0, 2, 3, 1).view(-1)
            : throw new ArgumentException($"A gradient of shape ({string.Join(", ", gradient.shape)}) and strides ({string.Join(", ", gradient.stride())}) has gaps.");

    /// <summary>Gradients on their way.</summary>
    /// <param name="Sum">What waits for their sums.</param>
    /// <param name="Flat">All of them, one after the other.</param>
    /// <param name="Parameters">Whose they are.</param>
    private sealed record Bucket(PendingSum Sum, torch.Tensor Flat, int[] Parameters);
}
