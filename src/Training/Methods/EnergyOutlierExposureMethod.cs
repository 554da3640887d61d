using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;

namespace Pascl.Training.Methods;

/// <summary>EnergyOE: cross entropy and squared hinges of the energy (Liu et al., NeurIPS 2020).</summary>
internal sealed class EnergyOutlierExposureMethod() : EnergyMethod(Method.EnergyOutlierExposure, finetuningEpochs: 10)
{
    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model) =>
        new EnergyObjective(recipe.Rivals.Energy, recipe.Representation.Epochs);
}
