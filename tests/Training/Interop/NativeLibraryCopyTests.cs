using System.Runtime.InteropServices;
using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Interop;

[Platform("Linux")]
public sealed class NativeLibraryCopyTests
{
    // A library without code; what it exports are the symbols of the libraries it needs, which are loaded already.
    private static readonly byte[] Library = File.ReadAllBytes(Path.Combine(NativeLibTorch.EnsureLoaded().LibTorchFolder, "libtorch.so"));

    [Test]
    public void a_library_loads_from_memory() => AssertLoaded(NativeLibraryCopy.FromMemory("memory", Library));

    [Test]
    public void a_library_loads_from_a_temporary_file_that_is_gone_afterwards()
    {
        AssertLoaded(NativeLibraryCopy.FromTemporaryFile("temporary", Library));
        var mapped = File.ReadLines("/proc/self/maps").First(line => line.Contains("/libtemporary.so", StringComparison.Ordinal));
        var file = mapped[mapped.IndexOf('/', StringComparison.Ordinal)..].Replace(" (deleted)", "", StringComparison.Ordinal);
        Assert.That(Path.GetDirectoryName(file), Does.Contain("pascl-library-").And.Not.Exist);
    }

    [Test]
    public void bytes_that_are_no_library_are_refused_everywhere() =>
        Assert.That(() => NativeLibraryCopy.Load("broken", "no library"u8.ToArray()), Throws.TypeOf<DllNotFoundException>());

    private static void AssertLoaded(nint handle) => Assert.Multiple(() =>
    {
        Assert.That(handle, Is.Not.Zero);
        Assert.That(NativeLibrary.TryGetExport(handle, "_ZN2at11show_configB5cxx11Ev", out _), Is.True);
    });
}
