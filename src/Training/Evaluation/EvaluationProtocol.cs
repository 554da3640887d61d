namespace Pascl.Training.Evaluation;

/// <summary>What the training set was like, by which an evaluation groups the classes.</summary>
/// <param name="TrainingCounts">Training images of each class.</param>
/// <param name="TailClasses">Whether each class is a tail class of the loss; the others are head classes.</param>
/// <param name="ShotRule">Where the lines between many, medium and few are drawn.</param>
public sealed record EvaluationProtocol(IReadOnlyList<int> TrainingCounts, IReadOnlyList<bool> TailClasses, ShotRule ShotRule);
