using Pascl.Training;
using Pascl.Training.Optimisation;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Tests.Training.Optimisation;

/// <summary>The updates against PyTorch's documented equations, computed here in double.</summary>
public sealed class OptimiserTests
{
    private static readonly double[] gradients = [0.5, -1.25, 0.75, 2];

    [TestCase(0)]
    [TestCase(0.1)]
    public void adam_adds_the_weight_decay_to_the_gradient(double weightDecay)
    {
        var (x, m, v) = (1.0, 0.0, 0.0);
        var expected = new List<double>();
        for (var t = 1; t <= gradients.Length; t++)
        {
            var g = gradients[t - 1] + (weightDecay * x);
            m = (0.9 * m) + (0.1 * g);
            v = (0.999 * v) + (0.001 * g * g);
            x -= 0.01 * (m / (1 - Math.Pow(0.9, t))) / (Math.Sqrt(v / (1 - Math.Pow(0.999, t))) + 1e-8);
            expected.Add(x);
        }

        Assert.That(Run(new(OptimiserKind.Adam, 0.01, weightDecay)), Is.EqualTo(expected).Within(1e-12));
    }

    [TestCase(0)]
    [TestCase(5e-4)]
    public void adam_takes_the_steps_of_torchsharps_adam_bit_for_bit(double weightDecay)
    {
        using var scope = torch.NewDisposeScope();
        torch.manual_seed(3);
        var start = torch.randn(7, 5);
        var (ours, theirs) = (new Parameter(start.clone()), new Parameter(start.clone()));
        using var optimiser = new Optimiser(new(OptimiserKind.Adam, 0.01, weightDecay), [("x", ours)]);
        using var expected = torch.optim.Adam([theirs], 0.01, weight_decay: weightDecay);
        for (var step = 0; step < 5; step++)
        {
            var gradient = torch.randn(7, 5);
            (ours.grad, theirs.grad) = (gradient.clone(), gradient.clone());
            optimiser.Step();
            expected.step();
            Assert.That(ours.bytes.ToArray(), Is.EqualTo(theirs.bytes.ToArray()), $"step {step}");
        }
    }

    [TestCase(OptimiserKind.Adam)]
    [TestCase(OptimiserKind.Sgd)]
    public void a_parameter_with_a_factor_moves_as_if_the_rate_were_that_much_smaller(OptimiserKind kind)
    {
        using var scope = torch.NewDisposeScope();
        var parameters = Enumerable.Range(0, 3).Select(_ => new Parameter(torch.ones(4))).ToArray();
        using var grouped = new Optimiser(new(kind, 0.1), [("backbone", parameters[0]), ("linear", parameters[1])], rateOf: name => name == "linear" ? 1 : 0.25);
        using var alone = new Optimiser(new(kind, 0.1), [("backbone", parameters[2])]);
        for (var step = 0; step < 3; step++)
        {
            Array.ForEach(parameters, parameter => parameter.grad = torch.tensor([1f, -2, 3, 0.5f]));
            (grouped.LearningRate, alone.LearningRate) = (0.1 / (step + 1), 0.1 / (step + 1) * 0.25);
            grouped.Step();
            alone.Step();
        }

        Assert.That(parameters[0].bytes.ToArray(), Is.EqualTo(parameters[2].bytes.ToArray()));
        Assert.That((parameters[1] - parameters[0]).abs().max().item<float>(), Is.GreaterThan(0.01));
        Assert.That(grouped.State().Keys.Select(name => name.Split('.')[0]).Distinct(), Is.EqualTo(["backbone", "linear"]));
    }

    [TestCase(0, false)]
    [TestCase(0.9, false)]
    [TestCase(0.9, true)]
    public void sgd_follows_its_velocity(double momentum, bool nesterov)
    {
        var (x, velocity) = (1.0, 0.0);
        var expected = new List<double>();
        foreach (var gradient in gradients)
        {
            var g = gradient + (0.1 * x);
            velocity = (momentum * velocity) + g;
            x -= 0.01 * (nesterov ? g + (momentum * velocity) : velocity);
            expected.Add(x);
        }

        Assert.That(Run(new(OptimiserKind.Sgd, 0.01, 0.1, momentum, nesterov)), Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void the_learning_rate_takes_effect_at_the_next_step()
    {
        using var parameter = new Parameter(torch.ones(1, torch.float64));
        using var optimiser = new Optimiser(new(OptimiserKind.Sgd, 1, Momentum: 0), [("x", parameter)]);
        optimiser.LearningRate = 0.25;
        StepWith(optimiser, parameter, 2);
        Assert.Multiple(() =>
        {
            Assert.That(optimiser.LearningRate, Is.EqualTo(0.25));
            Assert.That(parameter.item<double>(), Is.EqualTo(0.5));
        });
    }

    [Test]
    public void a_parameter_without_gradient_stays()
    {
        using var used = new Parameter(torch.ones(1, torch.float64));
        using var unused = new Parameter(torch.ones(1, torch.float64));
        using var optimiser = new Optimiser(new(OptimiserKind.Adam, 0.1), [("used", used), ("unused", unused)]);
        StepWith(optimiser, used, 2);
        Assert.Multiple(() =>
        {
            Assert.That(used.item<double>(), Is.LessThan(1));
            Assert.That(unused.item<double>(), Is.EqualTo(1));
        });
    }

    [TestCase(double.NaN)]
    [TestCase(0)]
    [TestCase(-1e-3)]
    [TestCase(double.PositiveInfinity)]
    public void an_impossible_learning_rate_is_named(double rate) =>
        Assert.That(
            () => new OptimiserSettings(OptimiserKind.Adam, rate).Check(),
            Throws.TypeOf<InputException>().With.Message.StartsWith($"The learning rate is {rate}; it must be"));

    [Test]
    public void other_impossible_settings_are_named() => Assert.Multiple(() =>
    {
        var adam = new OptimiserSettings(OptimiserKind.Adam, 1e-3);
        Assert.That((adam with { WeightDecay = -1 }).Check, Throws.TypeOf<InputException>().With.Message.Contains("weight decay is -1"));
        Assert.That((adam with { Momentum = 1 }).Check, Throws.TypeOf<InputException>().With.Message.Contains("momentum is 1"));
        Assert.That((adam with { Momentum = 0, Nesterov = true }).Check, Throws.TypeOf<InputException>().With.Message.Contains("Nesterov"));
        Assert.That((adam with { Beta2 = double.NaN }).Check, Throws.TypeOf<InputException>().With.Message.Contains("beta2"));
        Assert.That(adam.Check, Throws.Nothing);
    });

    private static List<double> Run(OptimiserSettings settings)
    {
        using var parameter = new Parameter(torch.ones(1, torch.float64));
        using var optimiser = new Optimiser(settings, [("x", parameter)]);
        var values = new List<double>();
        foreach (var gradient in gradients)
        {
            optimiser.ZeroGradients();
            StepWith(optimiser, parameter, gradient);
            values.Add(parameter.item<double>());
        }

        return values;
    }

    private static void StepWith(Optimiser optimiser, Parameter parameter, double gradient)
    {
        using var scope = torch.NewDisposeScope();
        (parameter * gradient).sum().backward();
        optimiser.Step();
    }
}
