using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training.Methods;

/// <summary>Cross entropy of the in-distribution images alone.</summary>
internal sealed class CrossEntropyMethod() : MethodDefinition(Method.CrossEntropy)
{
    public override bool UsesOutliers => false;

    public override IReadOnlyList<RecipeOption> Options => [OptionTable.LabelSmoothing];

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) =>
        new LogitObjective(device, labelSmoothing: recipe.Loss.LabelSmoothing);
}

/// <summary>Cross entropy and outlier exposure.</summary>
internal sealed class OutlierExposureMethod() : MethodDefinition(Method.OutlierExposure)
{
    public override IReadOnlyList<RecipeOption> Options => [OptionTable.OutlierWeight, OptionTable.LabelSmoothing];

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) =>
        new LogitObjective(device, recipe.Loss.OutlierWeight, labelSmoothing: recipe.Loss.LabelSmoothing);
}
