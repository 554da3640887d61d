using Pascl.Kernels.Device;
using Pascl.Tests.Kernels;
using Pascl.Tests.Processes;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Tests.Training.Optimisation;

/// <summary>
/// The update in one launch against the same by torch's operations, in every bit. Adam's is held against torch's with the root rounded to nearest, which torch's own is
/// not on a CPU; beside that one, its moments alone have to agree so.
/// </summary>
[SimulatesGpu]
public sealed class KernelUpdateRuleTests
{
    private static readonly long[][] shapes = [[7, 5], [1], [37], [2, 3], [67, 129]];

    private static KernelDevice Device => Kernels.Devices.Get("simulator");

    [Test]
    public void adam_in_one_launch_takes_torchs_steps_bit_for_bit([Values(0, 5e-4, 0.1)] double weightDecay) =>
        Compare(new OptimiserSettings(OptimiserKind.Adam, 0.01, weightDecay));

    [TestCase(0, 0, false)]
    [TestCase(5e-4, 0, false)]
    [TestCase(0, 0.9, false)]
    [TestCase(5e-4, 0.9, false)]
    [TestCase(5e-4, 0.9, true)]
    public void sgd_in_one_launch_takes_torchs_steps_bit_for_bit(double weightDecay, double momentum, bool nesterov) =>
        Compare(new OptimiserSettings(OptimiserKind.Sgd, 0.05, weightDecay, momentum, nesterov));

    [Test]
    public void a_run_of_either_rule_goes_on_with_the_other([Values] OptimiserKind kind, [Values] bool fromKernels)
    {
        using var scope = torch.NewDisposeScope();
        torch.manual_seed(5);
        var settings = new OptimiserSettings(kind, 0.01, 1e-3);
        var (stayed, moved) = (new Network(), new Network());
        using var before = stayed.Optimiser(settings, fromKernels ? Device : null);
        Step(before, stayed);
        using var after = moved.Optimiser(settings, fromKernels ? null : Device);
        moved.CopyFrom(stayed);
        var stored = before.State();
        after.Restore(state =>
        {
            Assert.That(state.Keys, Is.EqualTo(stored.Keys));
            foreach (var (name, value) in stored)
            {
                state[name].copy_(value);
            }
        });
        Step(before, stayed);
        moved.SetGradients(stayed);
        after.Step();
        AssertSame(before.State(), after.State(), "after the change");
        if (kind == OptimiserKind.Sgd)
        {
            Assert.That(moved.Bytes(), Is.EqualTo(stayed.Bytes()));
        }
        else
        {
            // One unit of the root is one of the update, which is 0.01 at most here, and a rounding more of parameters up to 8.
            Assert.That(moved.LargestDifference(stayed), Is.LessThan(8 * Tolerance.Single));
        }
    }

    [Test]
    public void a_step_is_one_launch_that_nobody_waits_for([Values] OptimiserKind kind)
    {
        using var scope = torch.NewDisposeScope();
        var network = new Network();
        using var optimiser = network.Optimiser(new OptimiserSettings(kind, 0.01), Device);
        Step(optimiser, network);
        var (launches, waits, tensors) = (Device.Launches, Device.HostWaits, torch.Tensor.TotalCount);
        optimiser.Step();
        Assert.That((Device.Launches - launches, Device.HostWaits - waits, torch.Tensor.TotalCount - tensors), Is.EqualTo((1, 0, 0)));
    }

    [Test]
    public void a_gradient_that_is_laid_out_otherwise_is_read_rightly()
    {
        using var scope = torch.NewDisposeScope();
        var (ours, theirs) = (new Parameter(torch.ones(2, 3)), new Parameter(torch.ones(2, 3)));
        using var optimiser = new Optimiser(new OptimiserSettings(OptimiserKind.Adam, 0.1), [("x", ours)], Device);
        using var expected = new Optimiser(new OptimiserSettings(OptimiserKind.Adam, 0.1), [("x", theirs)]);
        (ours.grad, theirs.grad) = (torch.arange(6, torch.float32).reshape(3, 2).t(), torch.arange(6, torch.float32).reshape(3, 2).t());
        optimiser.Step();
        expected.Step();
        Assert.That(ours.bytes.ToArray(), Is.EqualTo(theirs.bytes.ToArray()));
    }

    private static void Compare(OptimiserSettings settings)
    {
        using var scope = torch.NewDisposeScope();
        torch.manual_seed(3);
        var (ours, theirs) = (new Network(), new Network());
        ours.CopyFrom(theirs);
        using var optimiser = new KernelUpdateRule(settings, ours.Parameters, Device);
        using UpdateRule expected = settings.Kind == OptimiserKind.Adam ? new RoundedAdam(settings, theirs.Parameters) : new SgdRule(settings, theirs.Parameters);
        for (var step = 0; step < 6; step++)
        {
            // Gradients of any size, and at times none for one of the parameters.
            theirs.DrawGradients(Math.Pow(10, step - 4), without: step is 2 or 3 ? 2 : -1);
            ours.SetGradients(theirs);
            optimiser.LearningRate = expected.LearningRate = settings.LearningRate / (step + 1);
            optimiser.Step();
            expected.Step();
            Assert.That(ours.Bytes(), Is.EqualTo(theirs.Bytes()), $"step {step}");
            AssertSame(ByName(expected), ByName(optimiser), $"step {step}");
        }
    }

    private static void Step(Optimiser optimiser, Network network)
    {
        network.DrawGradients(1, without: -1);
        optimiser.Step();
    }

    private static Dictionary<string, torch.Tensor> ByName(UpdateRule rule) => rule.State()
        .SelectMany((states, i) => states.Select(state => ($"{i}.{state.State}", state.Value)))
        .ToDictionary(state => state.Item1, state => state.Value);

    private static void AssertSame(Dictionary<string, torch.Tensor> expected, Dictionary<string, torch.Tensor> actual, string when)
    {
        Assert.That(actual.Keys, Is.EqualTo(expected.Keys));
        foreach (var (name, value) in expected)
        {
            Assert.That(actual[name].contiguous().bytes.ToArray(), Is.EqualTo(value.contiguous().bytes.ToArray()), $"{name}, {when}");
        }
    }

    // The root of a double, which is none halfway between two floats, rounds to the nearest float.
    private sealed class RoundedAdam(OptimiserSettings settings, Parameter[] parameters) : AdamRule(settings, parameters)
    {
        protected override torch.Tensor Root(torch.Tensor moment) => moment.to(torch.float64).sqrt().to(torch.float32);
    }

    // Parameters of several shapes, and convolutions with channels last.
    private sealed class Network
    {
        public Parameter[] Parameters { get; } =
        [
            .. shapes.Select(shape => new Parameter(torch.randn(shape))),
            new Parameter(ChannelsLast.Of(torch.randn(5, 3, 3, 3))),
            new Parameter(ChannelsLast.Of(torch.randn(4, 6, 1, 1))),
        ];

        public Optimiser Optimiser(OptimiserSettings settings, KernelDevice? device) =>
            new(settings, Parameters.Select((parameter, i) => ($"p{i}", parameter)), device);

        public void DrawGradients(double scale, int without)
        {
            for (var i = 0; i < Parameters.Length; i++)
            {
                Parameters[i].grad = i == without ? null : torch.empty_like(Parameters[i]).copy_(torch.randn(Parameters[i].shape) * scale).requires_grad_(false);
            }
        }

        public void SetGradients(Network other)
        {
            for (var i = 0; i < Parameters.Length; i++)
            {
                Parameters[i].grad = other.Parameters[i].grad?.clone();
            }
        }

        public void CopyFrom(Network other)
        {
            using var frozen = torch.no_grad();
            for (var i = 0; i < Parameters.Length; i++)
            {
                Parameters[i].copy_(other.Parameters[i]);
            }
        }

        public double LargestDifference(Network other) =>
            Parameters.Zip(other.Parameters, (ours, theirs) => (double)(ours - theirs).abs().max().item<float>()).Max();

        public byte[][] Bytes() => [.. Parameters.Select(parameter => parameter.detach().contiguous().bytes.ToArray())];
    }
}
