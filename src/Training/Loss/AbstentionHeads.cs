using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>
/// The losses of EAT's m linear heads of C classes and k abstention columns each (Wei et al., AAAI 2024), whose outputs lie side by side in one matrix: the sum
/// over the heads of the mean over the rows.
/// </summary>
/// <param name="heads">m.</param>
/// <param name="classCount">C.</param>
internal sealed class AbstentionHeads(int heads, int classCount)
{
    /// <summary>Cross entropy to the rows' labels.</summary>
    /// <param name="outputs">(B, m (C + k)).</param>
    /// <param name="labels">(B), int64, the same for every head.</param>
    public Tensor Labelled(Tensor outputs, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return CrossEntropy(PerHead(outputs), ForEveryHead(labels)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Cross entropy of outliers to their virtual labels: for each head the abstention column that is highest there now. No gradient flows through the choice.
    /// </summary>
    /// <param name="outputs">(K, m (C + k)).</param>
    public Tensor Virtual(Tensor outputs)
    {
        using var scope = NewDisposeScope();
        var perHead = PerHead(outputs); // (K, m, C + k)
        var abstention = perHead.detach().narrow(2, classCount, perHead.shape[2] - classCount);
        return CrossEntropy(perHead, abstention.argmax(2) + classCount).MoveToOuterDisposeScope();
    }

    /// <summary>Cross entropy of z + adjustment; columns behind those of the adjustment are left out.</summary>
    /// <param name="outputs">(B, m (C + k)).</param>
    /// <param name="labels">(B), int64.</param>
    /// <param name="adjustment">(C) or (C + k): tau log prior.</param>
    public Tensor Adjusted(Tensor outputs, Tensor labels, Tensor adjustment)
    {
        using var scope = NewDisposeScope();
        var adjusted = PerHead(outputs).narrow(2, 0, adjustment.shape[0]) + adjustment.to(outputs.dtype);
        return CrossEntropy(adjusted, ForEveryHead(labels)).MoveToOuterDisposeScope();
    }

    private Tensor PerHead(Tensor outputs) => outputs.reshape(outputs.shape[0], heads, -1);

    // (B) -> (B, m)
    private Tensor ForEveryHead(Tensor labels) => labels.unsqueeze(1).expand(labels.shape[0], heads);

    // (B, m, columns), (B, m)
    private Tensor CrossEntropy(Tensor logits, Tensor labels) => functional.cross_entropy(logits.flatten(0, 1), labels.flatten()) * heads;
}
