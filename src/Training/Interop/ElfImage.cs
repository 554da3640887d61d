using System.Buffers.Binary;
using System.Text;

namespace Pascl.Training.Interop;

/// <summary>
/// The parts of a 64-bit little-endian ELF library that decide whether it loads elsewhere: undefined symbols and needed symbol versions.
/// Only what a relocation refers to is ever looked up at run time, so an undefined symbol or a version without one is harmless.
/// </summary>
/// <remarks>Layouts: System V ABI, generic part, chapters 4 and 5; symbol versions: LSB Core 5.0, section 10.7.</remarks>
internal sealed class ElfImage
{
    private const uint Relocations = 4;
    private const uint DynamicSymbols = 11;
    private const uint VersionNeeds = 0x6ffffffe;
    private const uint SymbolVersions = 0x6fffffff;
    private const int HeaderSize = 64;
    private const int SegmentSize = 56;
    private const int SymbolSize = 24;
    private const int RelocationSize = 24;
    private const byte WeakVersion = 2;
    private const int GlobalBinding = 1;

    private readonly byte[] bytes;
    private readonly HashSet<uint> relocatedSymbols;

    /// <exception cref="BadImageFormatException">The bytes are no such library, or are cut short.</exception>
    public ElfImage(byte[] bytes)
    {
        CheckHeader(bytes);
        this.bytes = bytes;
        relocatedSymbols = Sections(Relocations)
            .SelectMany(section => Entries(section, RelocationSize))
            .Select(relocation => UInt32(relocation + 12))
            .ToHashSet();
    }

    public ReadOnlySpan<byte> Bytes => bytes;

    /// <summary>Throws where a file is no ELF library or ends before its segments do; loading the latter can kill the process.</summary>
    public static void CheckComplete(string path)
    {
        using var file = File.OpenHandle(path);
        var header = new byte[HeaderSize];
        CheckHeader(header.AsSpan(0, RandomAccess.Read(file, header, 0)));

        var segments = new byte[BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(0x38)) * SegmentSize];
        var table = Math.Max(0, BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(0x20)));
        var isComplete = RandomAccess.Read(file, segments, table) == segments.Length;
        var length = (ulong)RandomAccess.GetLength(file);
        for (var segment = 0; isComplete && segment < segments.Length; segment += SegmentSize)
        {
            var offset = BinaryPrimitives.ReadUInt64LittleEndian(segments.AsSpan(segment + 8));
            var size = BinaryPrimitives.ReadUInt64LittleEndian(segments.AsSpan(segment + 32));
            isComplete = offset <= length && size <= length - offset;
        }

        if (!isComplete)
        {
            throw new BadImageFormatException($"the file is cut short at {length} bytes");
        }
    }

    /// <summary>The undefined symbols that some relocation refers to: what other libraries must export.</summary>
    public IEnumerable<string> RequiredSymbols()
    {
        foreach (var section in Sections(DynamicSymbols))
        {
            var index = 0u;
            foreach (var symbol in Entries(section, SymbolSize))
            {
                var isUndefined = UInt16(symbol + 6) == 0 && At(symbol + 4, 1)[0] >> 4 == GlobalBinding;
                if (isUndefined && relocatedSymbols.Contains(index))
                {
                    yield return Text(section.Strings, UInt32(symbol));
                }

                index++;
            }
        }
    }

    /// <summary>Marks needed versions of which no symbol is ever looked up as optional (VER_FLG_WEAK); returns how many changed.</summary>
    public int MakeUnusedVersionNeedsOptional()
    {
        var used = Sections(SymbolVersions)
            .SelectMany(section => Entries(section, sizeof(ushort)).Where((_, index) => relocatedSymbols.Contains((uint)index)))
            .Select(version => (ushort)(UInt16(version) & 0x7fff))
            .ToHashSet();
        var changed = 0;
        foreach (var flags in VersionNeedFlags().Where(flags => !used.Contains(UInt16(flags + 2)) && (bytes[flags] & WeakVersion) == 0))
        {
            bytes[flags] |= WeakVersion;
            changed++;
        }

        return changed;
    }

    // Where each needed version keeps its flags; the version's index in the table of symbol versions follows two bytes later.
    private IEnumerable<int> VersionNeedFlags() =>
        from section in Sections(VersionNeeds)
        from library in Chain(section.Offset, section.Info, nextAt: 12)
        from version in Chain(library + Distance(library + 8), UInt16(library + 2), nextAt: 12)
        select version + 4;

    // Entries of which each holds the distance to the next; the last holds 0.
    private IEnumerable<int> Chain(int first, uint count, int nextAt)
    {
        var entry = first;
        for (var left = count; left > 0; left--)
        {
            var next = Distance(entry + nextAt);
            yield return entry;
            if (next == 0)
            {
                yield break;
            }

            entry += next;
        }
    }

    private int Distance(int offset) => (int)Math.Min(UInt32(offset), int.MaxValue / 2);

    private IEnumerable<Section> Sections(uint type)
    {
        var table = Int64(0x28);
        int size = UInt16(0x3a), count = UInt16(0x3c);
        for (var i = 0; i < count; i++)
        {
            var header = table + (i * size);
            if (UInt32(header + 4) == type)
            {
                var strings = Int64(table + ((int)UInt32(header + 40) * size) + 24);
                yield return new Section(Int64(header + 24), Int64(header + 32), UInt32(header + 44), strings);
            }
        }
    }

    private static IEnumerable<int> Entries(Section section, int size) =>
        Enumerable.Range(0, section.Size / size).Select(index => section.Offset + (index * size));

    private static void CheckHeader(ReadOnlySpan<byte> header)
    {
        if (header.Length < HeaderSize || !header[..6].SequenceEqual<byte>([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1]))
        {
            throw new BadImageFormatException("the file is not a 64-bit Linux library");
        }
    }

    private ushort UInt16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(At(offset, 2));

    private uint UInt32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(At(offset, 4));

    private int Int64(int offset) => (int)Math.Clamp(BinaryPrimitives.ReadInt64LittleEndian(At(offset, 8)), -1, int.MaxValue);

    private string Text(int table, uint offset)
    {
        var start = table + (int)offset;
        var rest = At(start, 1, toEnd: true);
        return Encoding.ASCII.GetString(rest[..Math.Max(rest.IndexOf((byte)0), 0)]);
    }

    private ReadOnlySpan<byte> At(int offset, int length, bool toEnd = false) =>
        offset >= 0 && length <= bytes.Length - offset
            ? bytes.AsSpan(offset, toEnd ? bytes.Length - offset : length)
            : throw new BadImageFormatException("the file is damaged: a table points outside it");

    private readonly record struct Section(int Offset, int Size, uint Info, int Strings);
}
