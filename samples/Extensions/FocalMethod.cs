using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Extensions;

/// <summary>A method: the focal loss of the in-distribution images, no outliers; everything else is as Pascl has it.</summary>
public sealed class FocalMethod() : MethodDefinition("focal")
{
    /// <inheritdoc/>
    public override bool UsesOutliers => false;

    /// <inheritdoc/>
    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) => new FocalObjective(focus: 2);
}
