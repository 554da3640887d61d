using System.Text.Json;

namespace Pascl.Tests.Training.Cli;

/// <summary>Profiling as a user starts it.</summary>
[Platform("Linux")]
public sealed class ProfileCommandTests
{
    private const string Tiny = "profile --width 2 --image-size 8 --batch 30 --outlier-batch 10 --precision fp32 --threads 1";

    private TemporaryFolder folder = null!;

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void every_part_of_a_step_has_its_line_and_its_span_in_the_trace()
    {
        var trace = Path.Combine(folder.Path, "trace.json");
        var (code, output, error) = PasclProgram.Run($"{Tiny} --steps 12 --warm-up-steps 2 --trace {trace}");
        Assert.That(code, Is.Zero, error);
        string[] parts =
        [
            "waiting for data", "moving the batch", "forward", "losses of the logits", "contrastive loss", "backward", "optimiser", "rest of the step",
            "reading the losses",
        ];
        var spans = Spans(trace);
        var training = spans.Single(span => span.Name == "step 1").Thread;
        var steps = spans.Where(span => span.Name.StartsWith("step ", StringComparison.Ordinal)).ToArray();
        var inSteps = spans.Where(span => span.Thread == training).Except(steps).ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.Contain("12 steps of the representation phase").And.Contain("images/s").And.Contain("NVTX"));
            Assert.That(parts, Is.All.Matches<string>(part => output.Contains(part, StringComparison.Ordinal)));
            Assert.That(steps.Select(step => step.Name), Is.EqualTo(Enumerable.Range(1, 12).Select(number => $"step {number}")));
            Assert.That(inSteps.Select(span => span.Name).Distinct(), Is.EquivalentTo(parts));
            Assert.That(spans, Has.Some.Matches<Span>(span => span.Name.StartsWith("prepare batch", StringComparison.Ordinal) && span.Thread != training));
            Assert.That(inSteps.Where(part => steps.Count(step => Contains(step, part)) != 1), Is.Empty, "parts that lie in no step or in two");
            Assert.That(inSteps.Zip(inSteps.Skip(1)).Where(pair => pair.First.End > pair.Second.Start), Is.Empty, "parts that overlap");
            Assert.That(Directory.GetFileSystemEntries(folder.Path), Has.Length.EqualTo(1), "nothing is kept but the trace");
        }
    }

    [Long]
    [Test]
    public void kernels_are_listed_with_their_launches_per_step()
    {
        var (code, output, error) = PasclProgram.Run(
            "profile --width 1 --image-size 8 --batch 4 --outlier-batch 3 --threads 1 --steps 1 --warm-up-steps 0 --device cpu --backend ilgpu",
            ("DOTNET_PROCESSOR_COUNT", "1")); // Lanes of the simulator spin at its barriers where there are more.
        Assert.That(code, Is.Zero, error);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.Contain("85 launches per step"), "four of each of 20 BatchNorms, two of each of two losses, one for all parameters");
            Assert.That(output, Does.Match(@"FusedContrastiveLoss\.Forward\.FixedShift +1\b").And.Match(@"ObjectiveLoss\.Backward +1\b"));
        }
    }

    [Long]
    [Test]
    public void kernels_are_counted_and_bounded_without_a_gpu()
    {
        var (code, output, error) = PasclProgram.Run($"{Tiny} --kernels --gpu A100");
        Assert.That(code, Is.Zero, error);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.Contain("One step of 70 images of quickstart").And.Contain("Bounds on A100 (2039 GB/s").And.Contain("85 launches, at least "));
            Assert.That(output, Does.Match(@"DualBatchNorm\.Reduce\.\S+ +\d+\b").And.Match(@"FusedUpdate\.Adam +1\b"));
        }
    }

    [Test]
    public void the_second_phase_has_no_contrastive_loss()
    {
        var (code, output, error) = PasclProgram.Run($"{Tiny} --phase auxiliary-branch --steps 2 --synchronise");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("auxiliary-branch").And.Not.Contain("contrastive loss").And.Contain("--synchronise changes nothing"));
    }

    [TestCase("--steps 0", "--steps is 0", "at least 1")]
    [TestCase("--warm-up-steps -1", "--warm-up-steps is -1")]
    [TestCase("--steps many", "--steps takes a whole number")]
    [TestCase("--gpu H200", "--gpu is for the bounds of --kernels")]
    [TestCase("--kernels --gpu H999", "H999", "A100")]
    [TestCase("--kernels --trace t.json", "--trace is for steps that are timed", "--kernels")]
    [TestCase("--kernels --device cuda:0", "--device is for steps that are timed")]
    [TestCase("--kernels --check-convolutions off", "--check-convolutions is for steps that are timed")]
    [TestCase("--phase third", "third", "auxiliary-branch")]
    [TestCase("--trace no-such-folder/trace.json", "no-such-folder", "does not exist")]
    [TestCase("--preset cifar10-lt-cpu", "--data")]
    [TestCase("--backend naive", "--backend takes one of")]
    [TestCase("--device cuda:99", "cuda:99")]
    [TestCase("--stepz 3", "Did you mean --steps?")]
    public void bad_input_ends_with_exit_code_2_and_sentences(string arguments, params string[] expected)
    {
        var (code, error) = InProcess.Refused($"profile {arguments}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code, Is.EqualTo(2), error);
            Assert.That(error, Does.Not.Contain("   at "));
            Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.Ordinal)), error);
        }
    }

    private static bool Contains(Span outer, Span inner) => outer.Start <= inner.Start && inner.End <= outer.End;

    private static Span[] Spans(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return
        [
            .. document.RootElement.GetProperty("traceEvents").EnumerateArray().Where(IsSpan).Select(item => new Span(
                item.GetProperty("name").GetString()!,
                item.GetProperty("tid").GetInt32(),
                item.GetProperty("ts").GetDecimal(),
                item.GetProperty("ts").GetDecimal() + item.GetProperty("dur").GetDecimal())),
        ];
    }

    private static bool IsSpan(JsonElement item) => item.GetProperty("ph").GetString() == "X";

    private sealed record Span(string Name, int Thread, decimal Start, decimal End);
}
