using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using TorchSharp;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Methods;

/// <summary>
/// BERL: EnergyOE whose outlier hinge is balanced by what the start model takes outliers for (Choi et al., CVPR 2023). That prior is computed once, from all
/// outliers in evaluation mode, and stays in the checkpoint.
/// </summary>
internal sealed class BerlMethod() : EnergyMethod(Method.Berl, finetuningEpochs: 20)
{
    public override void Validate(Recipe recipe)
    {
        base.Validate(recipe);
        var berl = recipe.Rivals.Berl;
        RequireWeight(berl.MarginExponent, "BERL's gamma of the margin");
        RequireWeight(berl.WeightExponent, "BERL's gamma of the weight");
        RequireWeight(berl.MarginSlope, "BERL's lambda");
        if (recipe.StartingRun is null)
        {
            throw new InputException(
                "BERL finetunes a trained network, whose predictions on the outliers are its prior: name a run with --from RUN, for example one of --method ce.");
        }
    }

    public override NetworkHead Head(Recipe recipe, int classCount) => base.Head(recipe, classCount) with { KeepsClassShares = true };

    public override void Begin(Recipe recipe, DualBranchResNet model, TrainingData data)
    {
        var predicted = Predictions.Of(model, data.Outliers!).Main.Classes();
        var shares = new double[model.Head.ClassCount];
        foreach (var label in predicted)
        {
            shares[label] += 1.0 / predicted.Length;
        }

        model.Method!.Keep(shares);
    }

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model)
    {
        var (energy, berl) = (recipe.Rivals.Energy, recipe.Rivals.Berl);
        var hinge = new BalancedOutlierHinge(
            model.Method!.ClassShares!, berl.MarginExponent, berl.WeightExponent, energy.OutlierMargin, berl.MarginSlope, berl.DetachesPrior);
        return new EnergyObjective(energy, recipe.Representation.Epochs, hinge.to(device.Torch));
    }
}
