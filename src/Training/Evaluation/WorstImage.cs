namespace Pascl.Training.Evaluation;

/// <summary>An image on the wrong end of the score.</summary>
/// <param name="Set">Name of the image's set.</param>
/// <param name="Index">Position of the image in its set.</param>
/// <param name="Source">Where the image came from.</param>
/// <param name="Label">Label of its class, or null for an image of none.</param>
/// <param name="Prediction">Label of the predicted class.</param>
/// <param name="Score">Its out-of-distribution score.</param>
public sealed record WorstImage(string Set, int Index, string Source, int? Label, int Prediction, double Score);
