using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Model;

/// <summary>What a method keeps in the network beside the classifier; trained with the network, and stored in its checkpoints.</summary>
public sealed class MethodState : Module
{
    private readonly Linear? prototypes;
    private readonly Tensor? class_shares;

    internal MethodState(NetworkHead head, long features)
        : base(nameof(MethodState))
    {
        prototypes = head.Prototypes > 0 ? Linear(features, head.Prototypes, hasBias: false) : null;
        class_shares = head.KeepsClassShares ? ones(head.ClassCount, ScalarType.Float64).div_(head.ClassCount).DetachFromDisposeScope() : null; // (C)
        RegisterComponents();
    }

    /// <summary>(T, 8 * width): the vectors that are trained beside the classifier; null where the method has none.</summary>
    public Parameter? Prototypes => prototypes?.weight;

    /// <summary>(C), float64: a share for each class, 1/C each until the first phase begins; null where the method keeps none.</summary>
    public Tensor? ClassShares => class_shares;

    /// <summary>Replaces the kept shares.</summary>
    internal void Keep(double[] shares)
    {
        using var scope = NewDisposeScope();
        class_shares!.copy_(tensor(shares));
    }
}
