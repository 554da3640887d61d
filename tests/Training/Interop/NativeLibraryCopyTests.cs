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
        var before = Directory.GetDirectories(Path.GetTempPath(), "pascl-library-*").Length;
        AssertLoaded(NativeLibraryCopy.FromTemporaryFile("temporary", Library));
        Assert.That(Directory.GetDirectories(Path.GetTempPath(), "pascl-library-*"), Has.Length.EqualTo(before));
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
