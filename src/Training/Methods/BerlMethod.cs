using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Methods;

/// <summary>
/// BERL: EnergyOE whose outlier hinge is balanced by what the start model takes outliers for (Choi et al., CVPR 2023). That prior is computed once, from all
/// outliers in evaluation mode, and stays in the checkpoint.
/// </summary>
internal sealed class BerlMethod() : EnergyMethod(Method.Berl, finetuningEpochs: 20)
{
    public override IReadOnlyList<RecipeOption> Options => [.. base.Options, .. BerlRecipe.Options];

    public override void Validate(Recipe recipe)
    {
        if (recipe.StartingRun is null)
        {
            throw new InputException(
                "BERL finetunes a trained network, whose predictions on the outliers are its prior: name a run with --from RUN, for example one of --method ce.");
        }
    }

    public override NetworkHead Head(Recipe recipe, int classCount) => base.Head(recipe, classCount) with { KeepsClassShares = true };

    public override void Begin(Recipe recipe, DualBranchNetwork model, TrainingData data)
    {
        var predicted = Predictions.Of(model, data.Outliers!).Main.Classes();
        var shares = new double[model.Head.ClassCount];
        foreach (var label in predicted)
        {
            shares[label] += 1.0 / predicted.Length;
        }

        model.Method!.Keep(shares);
    }

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model)
    {
        var (energy, berl) = (recipe.Baselines.Energy, recipe.Baselines.Berl);
        var hinge = new BalancedOutlierHinge(
            model.Method!.ClassShares!, berl.MarginExponent, berl.WeightExponent, energy.OutlierMargin, berl.MarginSlope, berl.DetachesPrior);
        return new EnergyObjective(energy, recipe.Representation.Epochs, hinge.to(device.Torch), recipe.Loss.LabelSmoothing);
    }
}

/// <summary>
/// BERL's balance of the outlier hinge by P, the share of each class among the predictions of the start model on the outliers (Choi et al., CVPR 2023). The
/// values are those of the authors' release for CIFAR10-LT and ResNet.
/// </summary>
public sealed record BerlRecipe
{
    /// <summary>gamma of the margin: Z = sum_c p_c P_c^gamma / sum P^gamma.</summary>
    public double MarginExponent { get; init; } = 0.75;

    /// <summary>gamma of the weight of an outlier.</summary>
    public double WeightExponent { get; init; } = 0.75;

    /// <summary>lambda: the outlier margin of the energy grows by lambda Z.</summary>
    public double MarginSlope { get; init; } = 10;

    /// <summary>Whether Z is a constant of the step; in the authors' release gradients flow through it.</summary>
    public bool DetachesPrior { get; init; }

    internal static IReadOnlyList<RecipeOption> Options { get; } = Rows();

    private static IReadOnlyList<RecipeOption> Rows()
    {
        var part = RecipeParts.Baselines.Part(all => all.Berl, (all, value) => all with { Berl = value });
        var weightExponent = part.Option(
            null, "exponent of the outlier prior in the weight; --berl-gamma sets both",
            berl => berl.WeightExponent, (berl, value) => berl with { WeightExponent = value }, "BERL's gamma of the weight", OptionRanges.Weight);
        return
        [
            part.Option(
                "--berl-gamma", "exponent of the outlier prior, in margin and weight",
                berl => berl.MarginExponent, (berl, value) => berl with { MarginExponent = value },
                "BERL's gamma of the margin", OptionRanges.Weight).AlsoSetting(weightExponent),
            weightExponent,
            part.Option(
                "--berl-lambda", "how far the prior moves the outlier margin", berl => berl.MarginSlope, (berl, value) => berl with { MarginSlope = value },
                "BERL's lambda", OptionRanges.Weight),
            part.Option(
                "--berl-detach", "whether no gradient flows through the prior: true or false",
                berl => berl.DetachesPrior, (berl, value) => berl with { DetachesPrior = value }),
        ];
    }
}

/// <summary>
/// BERL's hinge of outliers (Choi et al., CVPR 2023): outliers that look like a class which outliers often look like count more and are pushed further. With
/// P^g_c = P_c^g / sum P^g and Z_g(x) = sum_c P^g_c softmax(z)_c:
/// <code>
/// L = sum_x Z_g2 relu( m_out - E + lambda Z_g1 )^2 / sum_x Z_g2
/// </code>
/// </summary>
internal sealed class BalancedOutlierHinge : Module
{
    private readonly double margin;
    private readonly double slope;
    private readonly bool detaches;
    private readonly Tensor marginPrior;
    private readonly Tensor weightPrior;

    /// <summary>Creates the hinge.</summary>
    /// <param name="shares">(C): P, the share of each class among the start model's predictions on outliers, float64; not disposed.</param>
    /// <param name="marginExponent">g1.</param>
    /// <param name="weightExponent">g2.</param>
    /// <param name="margin">m_out.</param>
    /// <param name="slope">lambda.</param>
    /// <param name="detaches">Whether Z is a constant; in the authors' release gradients flow through it everywhere.</param>
    public BalancedOutlierHinge(Tensor shares, double marginExponent, double weightExponent, double margin, double slope, bool detaches)
        : base(nameof(BalancedOutlierHinge))
    {
        (this.margin, this.slope, this.detaches) = (margin, slope, detaches);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        marginPrior = Prior(shares, marginExponent); // (C)
        weightPrior = Prior(shares, weightExponent); // (C)
        RegisterComponents();
    }

    /// <summary>The loss of K outliers, and the share of them whose hinge is active; scalars.</summary>
    /// <param name="logits">(K, C).</param>
    public (Tensor Loss, Tensor ActiveShare) Terms(Tensor logits)
    {
        using var scope = NewDisposeScope();
        var probabilities = detaches ? logits.detach().softmax(1) : logits.softmax(1); // (K, C)
        var hinge = functional.relu(margin - EnergyHinge.Energy(logits) + (slope * probabilities.mv(marginPrior.to(logits.dtype))));
        var weights = probabilities.mv(weightPrior.to(logits.dtype)); // (K)
        var loss = (weights * hinge.square()).sum() / weights.sum();
        return (loss.MoveToOuterDisposeScope(), EnergyHinge.Active(hinge).MoveToOuterDisposeScope());
    }

    private static Tensor Prior(Tensor shares, double exponent)
    {
        var powers = shares.to(ScalarType.Float64).pow(exponent);
        return (powers / powers.sum()).DetachFromDisposeScope();
    }
}
