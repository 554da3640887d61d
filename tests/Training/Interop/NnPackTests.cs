using System.Runtime.InteropServices;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Tests.Training.Deployment;
using Pascl.Training.Checkpoints;
using Pascl.Training.Devices;
using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Interop;

/// <summary>That libtorch leaves NNPACK alone, and that it can do without the switch.</summary>
[Platform("Linux")]
public sealed class NnPackTests
{
    [Test]
    public void it_is_off_once_libtorch_is_loaded() => Assert.That(NnPack.IsEnabled([LibTorch]), Is.False);

    [Test]
    public void a_library_without_the_switch_is_left_as_it_is()
    {
        nint[] other = [NativeLibrary.Load("libc.so.6")];
        NnPack.SwitchOff(other);
        Assert.That(NnPack.IsEnabled(other), Is.Null);
    }

    [Test]
    public void one_image_is_scored_in_float32_without_a_word_about_it()
    {
        using var folder = new TemporaryFolder();
        var run = DeployedRun.Write(folder, "run", new ScoreThreshold("msp", 0.9, 0.5, 100), Precision.Float32);
        var (code, output, error) = PasclProgram.Run($"score {run} {folder.Write("a.png", TestImages.Plain(8, 8, 200))}");
        Assert.Multiple(() =>
        {
            Assert.That((code, error), Is.EqualTo((0, "")));
            Assert.That(output, Does.Contain("\"score\""));
        });
    }

    private static nint LibTorch => NativeLibrary.Load(Path.Combine(NativeLibTorch.EnsureLoaded().LibTorchFolder, "libtorch_cpu.so"));
}
