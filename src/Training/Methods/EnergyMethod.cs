using Pascl.Training.Evaluation;
using Pascl.Training.Model;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Methods;

/// <summary>What EnergyOE and BERL have in common: hinges of the energy, the energy as score, and the finetuning of a trained network.</summary>
internal abstract class EnergyMethod(Method id, int finetuningEpochs) : MethodDefinition(id)
{
    // The cosine of the authors' finetuning ends at 1e-6, not at 0.
    private const double LearningRate = 1e-3;
    private const double FinalLearningRate = 1e-6;

    /// <summary>
    /// From initial weights the schedule stays; from a trained network (<see cref="Recipe.StartingRun"/>) it is the authors' finetuning. The second phase has no
    /// epochs unless the user asks for them.
    /// </summary>
    public override Recipe Apply(Recipe recipe)
    {
        var changed = base.Apply(recipe) with { AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } };
        return recipe.StartingRun is null ? changed : Finetuning(changed);
    }

    public override void Validate(Recipe recipe)
    {
        var energy = recipe.Rivals.Energy;
        RequireWeight(energy.Weight, "The weight of the energy hinges");
        Require(double.IsFinite(energy.InDistributionMargin), "The energy margin of the training images", energy.InDistributionMargin, "a finite number");
        Require(double.IsFinite(energy.OutlierMargin), "The energy margin of the outliers", energy.OutlierMargin, "a finite number");
        Require(energy.WarmUp is >= 0 and <= 1, "The warm-up of the energy hinges", energy.WarmUp, "a share of the first phase, from 0 to 1");
    }

    public override NetworkHead Head(Recipe recipe, int classCount) => base.Head(recipe, classCount) with { Readout = _ => LogitReadout.Energy };

    private Recipe Finetuning(Recipe recipe) => recipe with
    {
        Views = 1,
        ChangesColours = false,
        OutlierBatchSize = 256,
        Representation = new PhaseRecipe
        {
            Epochs = finetuningEpochs,
            BatchSize = 128,
            Optimiser = new OptimiserSettings(OptimiserKind.Sgd, LearningRate, WeightDecay: 5e-4, Momentum: 0.9, Nesterov: true),
            Schedule = new LearningRateSchedule { EveryStep = true, FinalFactor = FinalLearningRate / LearningRate },
        },
        Rivals = recipe.Rivals with { Energy = recipe.Rivals.Energy with { WarmUp = 0 } },
    };
}
