namespace Pascl.Training.Model;

/// <summary>
/// One branch of the network as evaluation mode computes it, without BatchNorm: relu(stem), the blocks, the average over the image, a linear
/// classifier.
/// </summary>
/// <param name="Stem">The first convolution.</param>
/// <param name="Blocks">The residual blocks of all stages, in order.</param>
/// <param name="ClassifierWeight">(columns, features), row-major.</param>
/// <param name="ClassifierBias">One value per column.</param>
internal sealed record FoldedNetwork(FoldedConvolution Stem, IReadOnlyList<FoldedBlock> Blocks, float[] ClassifierWeight, float[] ClassifierBias)
{
    /// <summary>Outputs of the classifier.</summary>
    public int Columns => ClassifierBias.Length;

    /// <summary>Columns of the classifier's weight.</summary>
    public int FeatureCount => ClassifierWeight.Length / Columns;
}
