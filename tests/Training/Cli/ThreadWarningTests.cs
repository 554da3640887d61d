namespace Pascl.Tests.Training.Cli;

/// <summary>More threads than cores: said once, by every command that trains, and done nevertheless.</summary>
public sealed class ThreadWarningTests
{
    private const string Small = "--width 2 --image-size 8 --batch 150 --outlier-batch 32 --precision fp32 --threads 2";
    private const string Warning = "2 threads (--threads) are more than the processor cores that this program may use, 1, which";

    // .NET takes this for the number of cores.
    private static readonly (string, string) OneCore = ("DOTNET_PROCESSOR_COUNT", "1");
    private static readonly (string, string) TwoCores = ("DOTNET_PROCESSOR_COUNT", "2");

    [Test]
    public void profile_warns_once()
    {
        var (code, _, error) = PasclProgram.Run($"profile {Small} --steps 1 --warm-up-steps 0", OneCore);
        AssertWarning(code, error);
    }

    [Test]
    public void as_many_threads_as_cores_need_no_warning()
    {
        var (code, _, error) = PasclProgram.Run($"profile {Small} --steps 1 --warm-up-steps 0", TwoCores);
        Assert.That((code, error), Is.EqualTo((0, "")));
    }

    [Long]
    [Test]
    public void train_and_resume_warn_once()
    {
        using var folder = new TemporaryFolder();
        var run = Path.Combine(folder.Path, "run");
        var (code, _, error) = PasclProgram.Run($"train --preset quickstart {Small} --epochs 1 --finetune-batch 150 --finetune-epochs 1 --out {run}", OneCore);
        AssertWarning(code, error);
        (code, _, error) = PasclProgram.Run($"train --resume {run}", OneCore);
        AssertWarning(code, error);
    }

    private static void AssertWarning(int code, string error)
    {
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(error, Does.StartWith(Warning));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
        });
    }
}
