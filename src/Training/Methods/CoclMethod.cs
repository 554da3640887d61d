using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Methods;

/// <summary>
/// COCL: an outlier column, prototypes of the tail classes, a triplet loss of outliers and head images, and calibrated outputs (Miao et al., AAAI 2024). The class
/// prior of the calibration stays in the checkpoint. The second phase has no epochs unless the user asks for them.
/// </summary>
internal sealed class CoclMethod() : MethodDefinition(Method.Cocl)
{
    public override Recipe Apply(Recipe recipe) =>
        base.Apply(recipe) with { Views = 1, AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } };

    public override void Validate(Recipe recipe)
    {
        var cocl = recipe.Rivals.Cocl;
        RequireWeight(cocl.OutlierWeight, "COCL's weight of the outliers");
        RequireWeight(cocl.TailWeight, "COCL's weight of the tail loss");
        RequireWeight(cocl.HeadWeight, "COCL's weight of the head loss");
        Require(IsPositive(cocl.Temperature), "COCL's temperature", cocl.Temperature, "a finite number above 0");
        RequireWeight(cocl.HeadMargin, "COCL's margin of the head loss");
        Require(cocl.HeadFraction is > 0 and <= 1, "COCL's head fraction", cocl.HeadFraction, "above 0 and at most 1");
        RequireWeight(cocl.Calibration, "COCL's calibration");
    }

    public override NetworkHead Head(Recipe recipe, int classCount) => new(classCount, classCount + 1)
    {
        Prototypes = recipe.Tail(new int[classCount]).Count,
        KeepsClassShares = true,
        Readout = prior => new OutlierColumnReadout(
            Array.ConvertAll(prior, share => recipe.Rivals.Cocl.Calibration * Math.Log(share)), calibratesAuxiliary: recipe.AuxiliaryBranch.Epochs == 0),
    };

    public override void Begin(Recipe recipe, DualBranchResNet model, TrainingData data)
    {
        var counts = data.Training.CountPerClass();
        model.Method!.Keep(Array.ConvertAll(counts, count => count / (double)data.Training.Count));
    }

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model)
    {
        var cocl = recipe.Rivals.Cocl;
        return new CoclObjective(
            cocl,
            model.Method!.Prototypes!,
            recipe.Tail(trainingCounts).Flags,
            HeadClasses.Flags(trainingCounts, cocl.HeadFraction, recipe.Loss.TailRule, cocl.IncludesNextHeadClass ? 1 : 0),
            TrainingPhase.Seed(recipe, phase: 0));
    }
}
