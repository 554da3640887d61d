using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Pascl.Training.Interop;

/// <summary>Loads a native library from bytes.</summary>
internal static partial class NativeLibraryCopy
{
    private const uint CloseOnExec = 1;

    /// <summary>Loads the library from memory, or from a temporary file on systems that refuse to run code from memory files.</summary>
    /// <exception cref="DllNotFoundException">Neither worked; the message is the system loader's.</exception>
    public static nint Load(string name, ReadOnlySpan<byte> library)
    {
        var handle = FromMemory(name, library);
        return handle != 0 ? handle : FromTemporaryFile(name, library);
    }

    /// <summary>Loads the library from a file that exists in memory only (Linux memfd); 0 where that is not allowed.</summary>
    public static nint FromMemory(string name, ReadOnlySpan<byte> library)
    {
        var descriptor = MemoryFileCreate(name, CloseOnExec);
        if (descriptor < 0)
        {
            return 0;
        }

        // Not owned: the loader knows the library by this path, so the descriptor's number must never be given to another file.
        using var file = new SafeFileHandle(descriptor, ownsHandle: false);
        RandomAccess.Write(file, library, 0);
        return NativeLibrary.TryLoad($"/proc/self/fd/{descriptor}", out var handle) ? handle : 0;
    }

    /// <summary>Loads the library from a temporary file; a loaded library stays in memory when its file is gone.</summary>
    public static nint FromTemporaryFile(string name, ReadOnlySpan<byte> library)
    {
        var folder = Directory.CreateTempSubdirectory("pascl-library-");
        try
        {
            var path = Path.Combine(folder.FullName, $"lib{name}.so");
            File.WriteAllBytes(path, library);
            return NativeLibrary.Load(path);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemoryFileCreate(string name, uint flags);
}
