using Pascl.Training.Data;
using Pascl.Training.Model;
using static TorchSharp.torch;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// ODIN's step on the image: x~ = x - epsilon sign( d CE(z(x) / T, y^) / dx ) with y^ = argmax z(x). It raises the largest probability, and more so for
/// in-distribution images. Where the gradient is exactly zero the pixel stays; x~ is not clipped to [0, 1]. Images enter the network in [0, 1], so
/// epsilon is in units of that range.
/// </summary>
internal static class InputPerturbation
{
    private const string EpsilonName = "epsilon";

    public static readonly ScoreParameter Temperature = new("temperature", 1000, "T", ScoreParameterRange.Positive);

    /// <summary>Epsilon with its usual value.</summary>
    public static ScoreParameter Epsilon(double usual) =>
        new(EpsilonName, usual, "step on the image, whose range is 1", ScoreParameterRange.NonNegative);

    /// <summary>Whether a score takes the step, for which the images' gradients are needed.</summary>
    public static bool IsTakenBy(ScoreSpecification specification) => specification.Values.TryGetValue(EpsilonName, out var epsilon) && epsilon > 0;

    /// <summary>The main branch's logits of the images after the step; without a step those of the pass.</summary>
    public static Logits Logits(DualBranchResNet model, FeaturePass pass, ScoreSpecification specification)
    {
        var (temperature, epsilon) = (specification.Values[Temperature.Name], specification.Values[EpsilonName]);
        return epsilon == 0 && model.Head.Columns == model.Head.ClassCount ? pass.Predictions.Main : Logits(model, pass.Images, temperature, epsilon);
    }

    /// <summary>The images after the step, in the current dispose scope.</summary>
    /// <param name="logits">The network in evaluation mode, so that no image depends on the others: (B, 3, H, W) to (B, C).</param>
    /// <param name="images">(B, 3, H, W).</param>
    /// <param name="temperature">T.</param>
    /// <param name="epsilon">The length of the step in every pixel and channel.</param>
    public static Tensor Apply(Func<Tensor, Tensor> logits, Tensor images, double temperature, double epsilon)
    {
        using var scope = NewDisposeScope();
        var inputs = images.detach().requires_grad_(true);
        var scaled = logits(inputs) / temperature;
        using var predicted = scaled.argmax(1);

        // Times T, which leaves the sign as it is: at T = 1000 small gradients would round to zero.
        var loss = nn.functional.cross_entropy(scaled, predicted, reduction: nn.Reduction.Sum) * temperature;
        var gradient = autograd.grad([loss], [inputs])[0];
        return (inputs - (epsilon * gradient.sign())).detach().MoveToOuterDisposeScope();
    }

    private static Logits Logits(DualBranchResNet model, ImageSet images, double temperature, double epsilon)
    {
        var rows = new RowBuffer(images.Count);
        return model.InEvaluationMode(() =>
        {
            EvaluationBatches.ForEach(images, Predictions.UsualBatchSize, model.parameters().First().device, Perturb);
            return new Logits(rows.Values, rows.Columns);
        });

        void Perturb(Tensor batch)
        {
            var perturbed = Apply(MainLogits, batch, temperature, epsilon);
            using var frozen = no_grad();
            rows.Append(MainLogits(perturbed));
        }

        // A method's further outputs come after those of the classes (of its first head) and take no part.
        Tensor MainLogits(Tensor batch) => model.forward(batch, Branch.Main).Logits.narrow(1, 0, model.Head.ClassCount);
    }
}
