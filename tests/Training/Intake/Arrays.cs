using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace Pascl.Tests.Training.Intake;

/// <summary>Writes arrays in the format of NumPy.</summary>
internal static class Arrays
{
    /// <summary>An array as the bytes of a file <c>.npy</c>.</summary>
    public static byte[] Npy<T>(T[] values, string shape, bool isFortran = false, string? type = null)
        where T : unmanaged
    {
        type ??= default(T) switch { float => "<f4", double => "<f8", Half => "<f2", long => "<i8", int => "<i4", short => "<i2", byte => "|u1", _ => "|O" };
        var text = $"{{'descr': '{type}', 'fortran_order': {(isFortran ? "True" : "False")}, 'shape': {shape}, }}";
        text = text.PadRight(((text.Length + 10 + 64) / 64 * 64) - 10 - 1) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)text.Length, (byte)(text.Length >> 8), .. Encoding.Latin1.GetBytes(text), .. MemoryMarshal.AsBytes<T>(values)];
    }

    /// <summary>Writes an archive.</summary>
    public static string Npz(string path, bool isCompressed, params (string Name, byte[] Npy)[] arrays)
    {
        using var archive = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var (name, npy) in arrays)
        {
            using var entry = archive.CreateEntry($"{name}.npy", isCompressed ? CompressionLevel.Optimal : CompressionLevel.NoCompression).Open();
            entry.Write(npy);
        }

        return path;
    }
}
