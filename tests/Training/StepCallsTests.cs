using System.Reflection;
using Pascl.Training;
using Pascl.Training.Interop;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Tests.Training;

/// <summary>
/// Which calls a step can reach that read a tensor's values or move them, by the code of <c>TrainingSteps.Take</c> and of all it may call, for every method, network and
/// backend at once. What libtorch's operations do not show on the CPU is seen here: <c>item</c>, <c>data</c>, <c>torch.tensor(values, device)</c>.
/// </summary>
public sealed class StepCallsTests
{
    // On the CPU the values are in the host's memory. Elsewhere the first three are not called.
    private static readonly string[] allowed =
    [
        "HostContrastiveLossFunction.Backward calls ToDouble",
        "HostContrastiveLossFunction.Forward calls tensor",
        "PasclLoss.OnHost calls data",
        "HostUpload.To calls to",
        "HostUpload.Vector calls get_bytes",
    ];

    private static readonly HashSet<string> reading =
    [
        "item", "data", "get_bytes", "set_bytes", "cpu", "cuda", "ToBoolean", "ToByte", "ToComplex64", "ToDouble", "ToHalf", "ToInt16", "ToInt32", "ToInt64", "ToSByte",
        "ToSingle", "ToArray", "nonzero", "masked_select", "unique", "bincount", "equal",
    ];

    private static readonly HashSet<string> making = ["tensor", "from_array", "as_tensor", "frombuffer"];

    [Test]
    public void a_step_can_reach_no_call_that_waits_for_a_device()
    {
        // A frozen backbone computes the features of images that have none yet; the batches of training are features. What several ranks exchange goes through the host's
        // memory; one rank exchanges nothing.
        string[] others = ["FeaturesOf", $"{nameof(ProcessGroup)}.", $"{nameof(SynchronisedBatchNorm)}."];
        var found = CallsOfSteps().Where(call => Waits(call.Callee)).Select(call => $"{NameOf(call.Caller)} calls {call.Callee.Name}").Distinct()
            .Where(call => !others.Any(other => call.Contains(other, StringComparison.Ordinal))).ToArray();
        Assert.That(found, Is.EquivalentTo(allowed));
    }

    [Test]
    public void the_calls_are_followed_into_objectives_networks_and_gradients()
    {
        var reached = CallsOfSteps().Select(call => NameOf(call.Caller)).ToHashSet();
        Assert.That(reached, Is.SupersetOf((string[])[
            "PasclObjective.Terms", "CoclObjective.Terms", "TailCutMix.Paste", "ResidualBlock.forward", "Convolution.forward", "KernelUpdateRule.Step", "AdamRule.Step",
            "DualBatchNormFunction.Backward", "LossSums.Add"]));
    }

    [Test]
    public void a_call_that_waits_is_seen()
    {
        var graph = new CallGraph(typeof(StepCallsTests).Assembly);
        Assert.That(
            graph.CallsFrom(Method(typeof(StepCallsTests), nameof(Reads))).Where(call => Waits(call.Callee)).Select(call => call.Callee.Name),
            Is.EquivalentTo((string[])["item", "cpu", "to", "tensor"]));
    }

    // Native code calls the gradients of our own operations.
    private static IEnumerable<(MethodBase Caller, MethodBase Callee)> CallsOfSteps() => new CallGraph(typeof(TrainingSteps).Assembly)
        .CallsFrom(Method(typeof(TrainingSteps), nameof(TrainingSteps.Take)), Method(typeof(KernelFunction<>), "backward"));

    private static string NameOf(MethodBase method) => $"{method.DeclaringType!.Name.Split('`')[0]}.{method.Name}";

    private static bool Waits(MethodBase callee)
    {
        var isOfTensor = callee.DeclaringType == typeof(torch.Tensor) || callee.DeclaringType == typeof(TensorExtensionMethods);
        return (isOfTensor && reading.Contains(callee.Name))
            || (isOfTensor && callee.Name == "to" && callee.GetParameters().Any(parameter => parameter.ParameterType == typeof(torch.Device)
                || parameter.ParameterType == typeof(DeviceType) || parameter.ParameterType == typeof(string) || parameter.ParameterType == typeof(torch.Tensor)))
            || (callee.DeclaringType == typeof(torch) && making.Contains(callee.Name));
    }

    private static MethodInfo Method(Type type, string name) =>
        type.GetMethod(name, BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)!;

    private static double Reads(torch.Tensor values)
    {
        Func<torch.Tensor> inLambda = () => values.cpu();
        return inLambda().to(torch.CPU).to(torch.float64).item<double>() + HostUpload.To(torch.tensor((long[])[1]), torch.CPU).NumberOfElements;
    }
}
