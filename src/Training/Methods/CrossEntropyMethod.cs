using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;

namespace Pascl.Training.Methods;

/// <summary>Cross entropy of the in-distribution images alone.</summary>
internal sealed class CrossEntropyMethod() : MethodDefinition(Method.CrossEntropy)
{
    public override bool UsesOutliers => false;

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model) => new LogitObjective(device);
}
