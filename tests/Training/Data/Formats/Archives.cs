using System.Formats.Tar;
using System.IO.Compression;

namespace Pascl.Tests.Training.Data.Formats;

/// <summary>Tar archives for tests.</summary>
internal static class Archives
{
    /// <summary>Packs files into an archive, compressed where its name says so, and returns its path.</summary>
    public static string Pack(TemporaryFolder folder, string archive, params (string Name, byte[] Content)[] files)
    {
        var packed = new MemoryStream();
        using (var writer = new TarWriter(packed, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var (name, content) in files)
            {
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
            }
        }

        if (archive.EndsWith(".tar", StringComparison.Ordinal))
        {
            return folder.Write(archive, packed.ToArray());
        }

        var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
        {
            gzip.Write(packed.ToArray());
        }

        return folder.Write(archive, compressed.ToArray());
    }
}
