using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Pascl.Training.Interop;

/// <summary>A file that the loader can open by path although nothing is written to the disk (Linux memfd).</summary>
internal static partial class InMemoryFile
{
    /// <summary>Creates the file and returns its path; falls back to the temporary folder where memory files may not be executed.</summary>
    public static string Create(string name, ReadOnlySpan<byte> content)
    {
        var descriptor = MemoryFileCreate(name, 0);
        if (descriptor < 0)
        {
            var temporary = Path.Combine(Directory.CreateTempSubdirectory("pascl-").FullName, $"lib{name}.so");
            File.WriteAllBytes(temporary, content);
            return temporary;
        }

        // The descriptor stays open for the life of the process: the path below is only valid while it is.
        var handle = new SafeFileHandle(descriptor, ownsHandle: false);
        RandomAccess.Write(handle, content, 0);
        return $"/proc/self/fd/{descriptor}";
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int MemoryFileCreate(string name, uint flags);
}
