using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;

namespace Pascl.Training.Methods;

/// <summary>Cross entropy and outlier exposure.</summary>
internal sealed class OutlierExposureMethod() : MethodDefinition(Method.OutlierExposure)
{
    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model) =>
        new LogitObjective(device, recipe.Loss.OutlierWeight);
}
