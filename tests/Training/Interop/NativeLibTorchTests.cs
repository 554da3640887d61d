using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Tests.Training.Deployment;
using Pascl.Training.Checkpoints;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using TorchSharp;

namespace Pascl.Tests.Training.Interop;

/// <summary>
/// Where the native libraries come from, and what is said when they do not load; each case is a process of its own, because loading happens
/// once.
/// </summary>
[Platform("Linux")]
public sealed class NativeLibTorchTests
{
    private static string PackagedLibTorch => NativeLibTorch.EnsureLoaded().LibTorchFolder;

    [Test]
    public void torch_computes_after_the_loader_ran()
    {
        using var ones = torch.ones(2, 3);
        using var sum = ones.sum();
        Assert.Multiple(() =>
        {
            Assert.That(sum.item<float>(), Is.EqualTo(6f));
            Assert.That(PackagedLibTorch, Does.EndWith("libtorch-cpu-linux-x64/2.10.0/runtimes/linux-x64/native"));
            Assert.That(NativeLibTorch.EnsureLoaded().Status, Does.StartWith("loaded"));
            Assert.That(LibTorchBuild.Version, Is.EqualTo("2.10.0"));
        });
    }

    [Long]
    [Test]
    public void a_copy_of_libtorch_named_by_the_variable_is_used_and_reported()
    {
        using var folder = new TemporaryFolder();
        LinkFiles(PackagedLibTorch, folder.Path);
        var (code, output, error) = PasclProgram.Run("doctor", (NativeLibTorch.PathVariable, folder.Path));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(output, Does.Contain(folder.Path).And.Not.Contain(PackagedLibTorch));
        });
    }

    [Long]
    [Test]
    public void libtorch_beside_the_program_comes_before_the_packaged_one()
    {
        using var program = CopyOfTheProgram();
        var beside = Path.Combine(program.Path, "libtorch");
        Directory.CreateDirectory(beside);
        LinkFiles(PackagedLibTorch, beside);
        var (code, output, error) = PasclProgram.RunIn(program.Path, "doctor");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(output, Does.Contain(beside).And.Not.Contain(PackagedLibTorch));
        });
    }

    [TestCase("", "there is no libtorch_cpu.so in that folder")]
    [TestCase("nowhere", "there is no libtorch_cpu.so in that folder")]
    public void a_folder_without_libtorch_is_bad_input(string name, string reason)
    {
        using var folder = new TemporaryFolder();
        AssertBadInput(RunWith(Path.Combine(folder.Path, name)), folder.Path, reason);
    }

    [Test]
    public void a_library_without_the_needed_symbols_is_bad_input()
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(Path.Combine(folder.Path, "libtorch_cpu.so"), Path.Combine(PasclProgram.Folder, "libSkiaSharp.so"));
        AssertBadInput(RunWith(folder.Path), folder.Path, "of the symbols that TorchSharp 0.107.0 needs");
    }

    [Test]
    public void a_libtorch_without_the_libraries_it_needs_is_bad_input()
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(Path.Combine(folder.Path, "libtorch_cpu.so"), Path.Combine(PackagedLibTorch, "libtorch_cpu.so"));
        AssertBadInput(RunWith(folder.Path), folder.Path, "cannot open shared object file");
    }

    [TestCase(100)]
    [TestCase(1 << 20)]
    [TestCase(452_000_000)]
    public void a_cut_library_is_bad_input(int length)
    {
        using var folder = new TemporaryFolder();
        CopyStart(Path.Combine(PackagedLibTorch, "libtorch_cpu.so"), Path.Combine(folder.Path, "libtorch_cpu.so"), length);
        AssertBadInput(RunWith(folder.Path), folder.Path, $"the file is cut short at {length} bytes");
    }

    [TestCase("")]
    [TestCase("<html>not found</html>")]
    public void a_file_that_is_no_library_is_bad_input(string content)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "libtorch_cpu.so"), content);
        AssertBadInput(RunWith(folder.Path), folder.Path, "is not a 64-bit Linux library");
    }

    [Test]
    public void a_cut_shim_is_bad_input()
    {
        using var program = CopyOfTheProgram();
        var shim = Path.Combine(program.Path, "libLibTorchSharp.so");
        var original = new FileInfo(shim).ResolveLinkTarget(returnFinalTarget: true)!.FullName;
        File.Delete(shim);
        CopyStart(original, shim, 1 << 20);
        AssertBadInput(PasclProgram.RunIn(program.Path, "evaluate nowhere"), shim, "damaged");
    }

    [Test]
    public void a_missing_shim_is_bad_input()
    {
        using var program = CopyOfTheProgram();
        File.Delete(Path.Combine(program.Path, "libLibTorchSharp.so"));
        AssertBadInput(PasclProgram.RunIn(program.Path, "evaluate nowhere"), program.Path, "libLibTorchSharp.so was not found");
    }

    [Test]
    public void a_shim_that_uses_symbols_of_a_newer_libstdcpp_is_bad_input()
    {
        using var program = CopyOfTheProgram();
        var shim = Path.Combine(program.Path, "libLibTorchSharp.so");
        var bytes = File.ReadAllBytes(shim);
        var name = bytes.AsSpan().IndexOf("GLIBCXX_3.4.30\0"u8);
        "GLIBCXX_3.4.99"u8.CopyTo(bytes.AsSpan(name));
        File.Delete(shim);
        File.WriteAllBytes(shim, bytes);
        AssertBadInput(PasclProgram.RunIn(program.Path, "evaluate nowhere"), shim, "version `GLIBCXX_3.4.99' not found");
    }

    private static (int ExitCode, string Output, string Error) RunWith(string libTorch) =>
        PasclProgram.Run("evaluate nowhere", (NativeLibTorch.PathVariable, libTorch));

    private static void AssertBadInput((int ExitCode, string Output, string Error) result, string place, string reason)
    {
        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.EqualTo(2));
            Assert.That(result.Error, Does.Contain(place).And.Contain(reason));
            Assert.That(result.Error.Trim().Split('\n'), Has.Length.EqualTo(1));
            Assert.That(result.Output, Is.Empty);
        });
    }

    // The program file itself must be a real copy: .NET looks for everything else beside what a link points to.
    private static TemporaryFolder CopyOfTheProgram()
    {
        var folder = new TemporaryFolder();
        LinkFiles(PasclProgram.Folder, folder.Path);
        foreach (var file in Directory.GetFiles(folder.Path, "Pascl.Training*"))
        {
            File.Delete(file);
            File.Copy(Path.Combine(PasclProgram.Folder, Path.GetFileName(file)), file);
        }

        return folder;
    }

    // The shell waits for the program, and then the system has counted the program's page faults as those of the shell's children.
    [Long]
    [Test]
    public void a_step_that_keeps_freed_memory_takes_less_than_half_the_pages_from_the_system()
    {
        Assert.That(PagesOfAStep(), Is.LessThan(0.5 * PagesOfAStep(("GLIBC_TUNABLES", "glibc.malloc.tcache_count=7"))));

        static double PagesOfAStep(params (string Name, string Value)[] environment) => (Pages(12, environment) - Pages(2, environment)) / 10.0;

        // No step gives memory back before the sixteenth.
        static long Pages(int steps, (string Name, string Value)[] environment)
        {
            var program = $"{PasclProgram.Folder}/Pascl.Training profile --width 16 --batch 64 --outlier-batch 64 --warm-up-steps 3 --steps {steps} --threads 1 --device cpu --check-convolutions off";
            var start = new ProcessStartInfo("bash", ["-c", $"{program} >&2; read -r -a fields < /proc/$$/stat; echo ${{fields[10]}}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var (name, value) in environment)
            {
                start.Environment[name] = value;
            }

            using var shell = Process.Start(start)!;
            var error = shell.StandardError.ReadToEndAsync();
            var output = shell.StandardOutput.ReadToEnd();
            shell.WaitForExit();
            Assert.That(error.Result, Does.Contain($"{steps} steps of the representation phase"));
            return long.Parse(output, CultureInfo.InvariantCulture);
        }
    }

    private static void LinkFiles(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from))
        {
            File.CreateSymbolicLink(Path.Combine(to, Path.GetFileName(file)), file);
        }
    }

    private static void CopyStart(string from, string to, int length)
    {
        using var file = File.OpenRead(from);
        using var start = File.Create(to);
        var buffer = new byte[Math.Min(length, 1 << 20)];
        file.ReadExactly(buffer);
        start.Write(buffer);

        // Only the start is read; the rest need not be the library's bytes.
        start.SetLength(length);
    }
}

/// <summary>How OpenMP's threads wait. Each case is a process of its own, because OpenMP reads its variables once; it can print what it took from them.</summary>
[Platform("Linux")]
public sealed class WaitPolicyTests
{
    // Convolutions take five times as long as the rest, and have their own tests.
    private const string Doctor = "doctor --check-convolutions off";

    private static readonly (string, string) Print = ("OMP_DISPLAY_ENV", "VERBOSE");

    [SetUp]
    public void RequireAnEnvironmentWithoutTheVariables()
    {
        foreach (var name in new[] { WaitPolicy.PolicyVariable, WaitPolicy.SpinVariable })
        {
            Assume.That(Environment.GetEnvironmentVariable(name), Is.Null, $"the tests run with {name}");
        }
    }

    [Test]
    public void threads_that_wait_sleep_at_once_by_themselves()
    {
        var (code, output, error) = PasclProgram.Run(Doctor, Print);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(error, Does.Contain("OMP_WAIT_POLICY = 'PASSIVE'").And.Contain("GOMP_SPINCOUNT = '0'"));
            Assert.That(output, Does.Match(@"waiting threads +OMP_WAIT_POLICY=passive, GOMP_SPINCOUNT=0 \(set by Pascl\)"));
        });
    }

    [TestCase("GOMP_SPINCOUNT", "77", "GOMP_SPINCOUNT = '77'")]
    [TestCase("OMP_WAIT_POLICY", "active", "OMP_WAIT_POLICY = 'ACTIVE'", "GOMP_SPINCOUNT = '30000000000'")]
    public void what_the_user_set_is_kept(string name, string value, params string[] inForce)
    {
        var (code, output, error) = PasclProgram.Run(Doctor, Print, (name, value));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(inForce, Has.All.Matches<string>(setting => error.Contains(setting, StringComparison.Ordinal)), error);
            Assert.That(output, Does.Match($@"waiting threads +{name}={value} \(set by the user\)"));
        });
    }
}

/// <summary>What becomes of the memory that a step frees. Each case is a process of its own, because the tests' threads are not its main thread.</summary>
[Platform("Linux")]
public sealed class FreedMemoryTests
{
    private const string Doctor = "doctor --check-convolutions off";

    [Test]
    public void it_stays_with_the_process_where_the_main_thread_trains()
    {
        foreach (var name in new[] { "GLIBC_TUNABLES", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_" })
        {
            Assume.That(Environment.GetEnvironmentVariable(name), Is.Null, $"the tests run with {name}");
        }

        var (code, output, error) = PasclProgram.Run(Doctor);
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Match(@"freed memory +kept by the process while it trains \(set by Pascl\)"));
    }

    [TestCase("MALLOC_TRIM_THRESHOLD_", "131072")]
    [TestCase("GLIBC_TUNABLES", "glibc.malloc.tcache_count=7")]
    public void what_the_user_set_for_the_c_library_stands(string name, string value)
    {
        var (code, output, error) = PasclProgram.Run(Doctor, (name, value));
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Match($@"freed memory +as {name} says \(set by the user\)"));
    }

    [Test]
    public void another_thread_does_not_keep_it()
    {
        var isKept = true;
        var thread = new Thread(() => isKept = FreedMemory.Keep());
        thread.Start();
        thread.Join();
        Assert.That(isKept, Is.False);
    }
}

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
