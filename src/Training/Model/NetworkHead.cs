using Pascl.Training.Evaluation;

namespace Pascl.Training.Model;

/// <summary>What a method puts behind the features of the network, and how it is read.</summary>
/// <param name="ClassCount">C, the number of classes.</param>
/// <param name="Columns">Outputs of a branch's classifier; C for a plain classifier.</param>
public sealed record NetworkHead(int ClassCount, int Columns)
{
    /// <summary>A plain classifier, read by its maximum softmax probability.</summary>
    /// <param name="classCount">C, the number of classes.</param>
    public NetworkHead(int classCount)
        : this(classCount, classCount)
    {
    }

    /// <summary>Vectors beside the classifier that are trained with everything else, as wide as the features.</summary>
    public int Prototypes { get; init; }

    /// <summary>Whether the network keeps a share for each class: a prior that its loss or its reading needs.</summary>
    public bool KeepsClassShares { get; init; }

    /// <summary>Whether there is nothing behind the features but a column for each class.</summary>
    internal bool IsPlain => Columns == ClassCount && Prototypes == 0 && !KeepsClassShares;

    /// <summary>Makes the reading from the kept class shares, which are none where nothing is kept.</summary>
    public Func<double[], Readout> Readout { get; init; } = _ => LogitReadout.MaximumSoftmax;
}
