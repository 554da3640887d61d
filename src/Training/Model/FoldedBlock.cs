namespace Pascl.Training.Model;

/// <summary>A basic block with its BatchNorm folded: relu(second(relu(first(x))) + shortcut(x)).</summary>
/// <param name="First">The first convolution.</param>
/// <param name="Second">The second convolution.</param>
/// <param name="Shortcut">The way around them; null where it is x itself.</param>
internal sealed record FoldedBlock(FoldedConvolution First, FoldedConvolution Second, FoldedConvolution? Shortcut);
