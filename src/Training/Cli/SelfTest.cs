using Pascl.Training.Golden;
using SkiaSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Training.Cli;

/// <summary>
/// A training step in small, and the image decoder, against stored numbers: a libtorch that loads but does not fit TorchSharp, or a fault of
/// the machine, shows here.
/// </summary>
/// <remarks>
/// With x = Sequence(1) as (2, 3, 5, 5) and w = Sequence(2) as (4, 3, 3, 3): loss = mean(relu(conv2d(x, w, padding 1))^2), its gradient by
/// w, and the loss after three steps of Adam(0.01, weight decay 5e-4); and the gradient of the sum of (x^3)^2 through an autograd function
/// written in C#. The stored numbers come from plain loops in double precision.
/// </remarks>
internal static class SelfTest
{
    private const double Loss = 0.08714984397940252;
    private const double GradientNorm = 0.07539127333351553;
    private const double LossAfterAdam = 0.07005943378493756;
    private const double CubeGradientNorm = 0.8191749568350232;

    // float32 rounding (6e-8) over sums of a few hundred terms.
    private const double RelativeTolerance = 1e-5;

    // JPEG and WebP are lossy; a decoder that works gives a plain colour back within a few of 255 levels.
    private const double ColourTolerance = 8;

    public static IReadOnlyList<GoldenResult> Run()
    {
        using var scope = NewDisposeScope();
        using var weights = FromSequence(2, 4, 3, 3, 3);
        using var images = FromSequence(1, 2, 3, 5, 5);
        using var adam = optim.Adam([weights], 0.01, weight_decay: 5e-4);

        var loss = LossOf(images, weights);
        loss.backward();
        List<GoldenResult> results =
        [
            Compare("forward: convolution, ReLU, mean square", loss.item<float>(), Loss),
            Compare("backward: norm of the gradient", weights.grad!.norm().item<float>(), GradientNorm),
        ];

        for (var step = 0; step < 3; step++)
        {
            adam.zero_grad();
            LossOf(images, weights).backward();
            adam.step();
        }

        results.Add(Compare("loss after three steps of Adam", LossOf(images, weights).item<float>(), LossAfterAdam));

        images.grad!.zero_();
        Cube.apply(images).square().sum().backward();
        results.Add(Compare("autograd function written in C#", images.grad!.norm().item<float>(), CubeGradientNorm));

        results.AddRange(new[] { SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Webp }.Select(Decode));
        return results;
    }

    private static Parameter FromSequence(uint seed, params long[] shape)
    {
        var count = (int)shape.Aggregate((product, size) => product * size);
        return new Parameter(tensor(GoldenInputs.Sequence(seed, count), shape, dtype: ScalarType.Float32));
    }

    private static Tensor LossOf(Tensor images, Tensor weights) =>
        nn.functional.conv2d(images, weights, padding: [1, 1]).relu().square().mean();

    private static GoldenResult Compare(string name, double value, double stored) =>
        new(name, "torch", Math.Abs(value - stored) / stored, RelativeTolerance);

    private static GoldenResult Decode(SKEncodedImageFormat format)
    {
        var colour = new SKColor(200, 100, 50);
        using var drawn = new SKBitmap(16, 16);
        drawn.Erase(colour);
        using var file = drawn.Encode(format, 95);
        using var decoded = SKBitmap.Decode(file);
        var pixel = decoded?.GetPixel(8, 8) ?? SKColor.Empty;
        int[] differences = [pixel.Red - colour.Red, pixel.Green - colour.Green, pixel.Blue - colour.Blue];
        return new GoldenResult($"decode {format}".ToLowerInvariant(), "SkiaSharp", differences.Max(Math.Abs), ColourTolerance);
    }

    private sealed class Cube : autograd.SingleTensorFunction<Cube>
    {
        public override string Name => nameof(Cube);

        public override Tensor forward(autograd.AutogradContext context, params object[] arguments)
        {
            var input = (Tensor)arguments[0];
            context.save_for_backward([input]);
            return input.pow(3);
        }

        public override List<Tensor> backward(autograd.AutogradContext context, Tensor gradient)
        {
            using var input = context.get_saved_variables()[0];
            return [gradient * 3 * input.square()];
        }
    }
}
