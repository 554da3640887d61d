using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Methods;

/// <summary>
/// EAT: several heads with abstention columns, virtual labels for outliers, and tail images pasted onto others (Wei et al., AAAI 2024). Its second phase trains the
/// heads of the auxiliary branch over the fixed features of the first, and score and class are read there.
/// </summary>
internal sealed class EatMethod() : MethodDefinition(Method.Eat)
{
    /// <summary>The second phase of the authors: heads alone, 10 epochs of Adam at 5e-4.</summary>
    public override Recipe Apply(Recipe recipe) => base.Apply(recipe) with
    {
        Finetuned = TrainableParameters.Classifier,
        AuxiliaryBranch = recipe.AuxiliaryBranch with
        {
            Epochs = 10,
            Optimiser = new OptimiserSettings(OptimiserKind.Adam, LearningRate: 5e-4, WeightDecay: 5e-4),
            Schedule = new LearningRateSchedule(),
        },
    };

    public override void Validate(Recipe recipe)
    {
        var eat = recipe.Rivals.Eat;
        Require(recipe.Views == 2, "The number of views", recipe.Views, "2 for eat, which mixes both");
        Require(eat.Heads is >= 1 and <= 100, "EAT's number of heads", eat.Heads, "between 1 and 100");
        Require(eat.AbstentionColumns is >= 1 and <= 1000, "EAT's number of abstention columns", eat.AbstentionColumns, "between 1 and 1000");
        RequireWeight(eat.MixedWeight, "EAT's weight of the mixed images");
        RequireWeight(eat.OutlierWeight, "EAT's weight of the outliers");
        RequireWeight(eat.AbstentionCount, "EAT's count of an abstention column");
    }

    public override NetworkHead Head(Recipe recipe, int classCount)
    {
        var eat = recipe.Rivals.Eat;
        return new NetworkHead(classCount, eat.Heads * (classCount + eat.AbstentionColumns)) { Readout = _ => new AbstentionReadout(eat.Heads, classCount) };
    }

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model)
    {
        // The authors call the first and the last 40 % of the classes head and tail; both by the same fraction here.
        var head = HeadClasses.Flags(trainingCounts, recipe.Loss.TailFraction, recipe.Loss.TailRule);
        var mixing = new TailCutMix(recipe.Tail(trainingCounts).Flags, head, TrainingPhase.Seed(recipe, phase: 0));
        return new EatObjective(recipe.Rivals.Eat, Heads(recipe, trainingCounts), mixing);
    }

    public override Objective SecondObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device) =>
        new EatSecondObjective(Heads(recipe, trainingCounts), Adjustment(recipe, trainingCounts), device.Torch);

    /// <summary>tau log prior of the columns in the second phase: of the classes, and of the abstention columns where these count as images.</summary>
    internal static double[] Adjustment(Recipe recipe, int[] trainingCounts)
    {
        var eat = recipe.Rivals.Eat;
        double[] counts = [.. trainingCounts, .. Enumerable.Repeat(eat.AbstentionCount, eat.AbstentionCount > 0 ? eat.AbstentionColumns : 0)];
        return Array.ConvertAll(counts, count => recipe.Loss.LogitAdjustment * Math.Log(count / counts.Sum()));
    }

    private static AbstentionHeads Heads(Recipe recipe, int[] trainingCounts) => new(recipe.Rivals.Eat.Heads, trainingCounts.Length);
}
