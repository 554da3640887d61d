using System.Runtime.InteropServices;
using TorchSharp;

namespace Pascl.Training.Ranks;

/// <summary>A sum over the ranks that was begun.</summary>
internal sealed class PendingSum(ProcessGroup group, ExchangePart part, torch.Tensor values, torch.Tensor onHost, List<nint> requests) : IDisposable
{
    /// <summary>Waits for it; the tensor has the sums then.</summary>
    public void Finish()
    {
        foreach (ref var request in CollectionsMarshal.AsSpan(requests))
        {
            group.Wait(ref request, part);
        }

        requests.Clear();
        if (values.device_type != DeviceType.CPU)
        {
            using var frozen = torch.no_grad();
            values.copy_(onHost);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => onHost.Dispose();
}

/// <summary>What ranks exchange messages for.</summary>
internal enum ExchangePart
{
    /// <summary>What all do next, and whether they have the same.</summary>
    Agreement,

    /// <summary>Statistics of BatchNorm, forward, and the sums of its backward pass.</summary>
    BatchNorm,

    /// <summary>What the network made of the rows of a batch.</summary>
    Outputs,

    /// <summary>The contrastive loss, and its gradient.</summary>
    ContrastiveLoss,

    /// <summary>Gradients of parameters.</summary>
    Gradients,

    /// <summary>What the network says about images that are evaluated.</summary>
    Evaluation,
}

/// <summary>What a part of the work has exchanged.</summary>
internal record struct ExchangeTally
{
    /// <summary>Collective operations.</summary>
    public long Operations { get; private set; }

    /// <summary>What this rank gave to them.</summary>
    public long Bytes { get; private set; }

    /// <summary>How long it waited for the results.</summary>
    public TimeSpan Wait { get; private set; }

    public void Count(long bytes) => (Operations, Bytes) = (Operations + 1, Bytes + bytes);

    /// <summary>Counts a wait.</summary>
    public void Waited(TimeSpan time) => Wait += time;

    /// <summary>What came since an earlier reading.</summary>
    public static ExchangeTally operator -(ExchangeTally later, ExchangeTally earlier) =>
        new() { Operations = later.Operations - earlier.Operations, Bytes = later.Bytes - earlier.Bytes, Wait = later.Wait - earlier.Wait };
}

/// <summary>What one of several ranks has of things in an order: consecutive ones, as many as every other rank has or one more, the ranks one after the other.</summary>
/// <param name="Rank">Number of the rank, from 0.</param>
/// <param name="Size">How many ranks there are.</param>
public readonly record struct RankShare(int Rank, int Size)
{
    /// <summary>Everything, where there is one rank.</summary>
    public static RankShare Whole { get; } = new(0, 1);

    /// <summary>The first of the rank's things, and how many they are.</summary>
    /// <param name="count">How many things there are.</param>
    public (int First, int Count) Of(int count)
    {
        var first = (int)((long)count * Rank / Size);
        return (first, (int)((long)count * (Rank + 1) / Size) - first);
    }
}
