using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

/// <summary>Compares the gradients of a loss with central differences in double precision.</summary>
internal static class Gradients
{
    private const double Step = 1e-5;

    public static void Check(Func<Tensor[], Tensor> loss, params double[][,] values)
    {
        using var scope = NewDisposeScope();
        var inputs = Array.ConvertAll(values, value => BaselineFixture.Tensor(value, ScalarType.Float64, needsGradient: true));
        loss(inputs).backward();
        for (var i = 0; i < inputs.Length; i++)
        {
            var gradient = inputs[i].grad?.data<double>().ToArray() ?? new double[inputs[i].numel()];
            for (var entry = 0; entry < gradient.Length; entry++)
            {
                var slope = (Shifted(i, entry, Step) - Shifted(i, entry, -Step)) / (2 * Step);
                Assert.That(gradient[entry], Is.EqualTo(slope).Within(1e-7), $"input {i}, entry {entry}");
            }
        }

        double Shifted(int input, int entry, double by)
        {
            using var inner = NewDisposeScope();
            var moved = Array.ConvertAll(inputs, tensor => tensor.detach().clone());
            moved[input].view(-1)[entry] += by;
            return loss(moved).item<double>();
        }
    }

    /// <summary>Random (rows, columns) values, the same for the same seed.</summary>
    public static double[,] Values(int rows, int columns, int seed, double scale = 1)
    {
        var random = new Random(seed);
        var values = new double[rows, columns];
        for (var i = 0; i < values.Length; i++)
        {
            values[i / columns, i % columns] = scale * ((2 * random.NextDouble()) - 1);
        }

        return values;
    }
}
