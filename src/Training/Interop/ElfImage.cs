using System.Buffers.Binary;
using System.Text;

namespace Pascl.Training.Interop;

/// <summary>The two parts of a 64-bit little-endian ELF library that loading it elsewhere depends on: needed symbol versions and undefined symbols.</summary>
internal sealed class ElfImage
{
    private const uint DynamicSymbols = 11;
    private const uint VersionNeeds = 0x6ffffffe;
    private const byte WeakFlag = 2;
    private const int SymbolSize = 24;

    private readonly byte[] bytes;

    public ElfImage(byte[] bytes)
    {
        if (bytes.Length < 64 || !bytes.AsSpan(0, 6).SequenceEqual<byte>([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1]))
        {
            throw new BadImageFormatException("The native shim is not a 64-bit little-endian ELF library.");
        }

        this.bytes = bytes;
    }

    public ReadOnlySpan<byte> Bytes => bytes;

    /// <summary>Marks the needed symbol versions that <paramref name="isMissing"/> names as weak (VER_FLG_WEAK), and returns how many there were.</summary>
    public int MakeVersionNeedsOptional(Func<string, bool> isMissing)
    {
        var changed = 0;
        foreach (var section in Sections(VersionNeeds))
        {
            var need = section.Offset;
            for (var remaining = section.Info; remaining > 0; remaining--)
            {
                var auxiliary = need + (int)UInt32(need + 8);
                for (int left = UInt16(need + 2); left > 0; left--)
                {
                    if ((bytes[auxiliary + 4] & WeakFlag) == 0 && isMissing(Text(section.Strings + (int)UInt32(auxiliary + 8))))
                    {
                        bytes[auxiliary + 4] |= WeakFlag;
                        changed++;
                    }

                    auxiliary += (int)UInt32(auxiliary + 12);
                }

                need += (int)UInt32(need + 12);
            }
        }

        return changed;
    }

    /// <summary>The symbols of libtorch's namespaces (at, c10, torch, caffe2) that the library expects others to define.</summary>
    public IEnumerable<string> UndefinedTorchSymbols()
    {
        foreach (var section in Sections(DynamicSymbols))
        {
            for (var symbol = section.Offset + SymbolSize; symbol < section.Offset + section.Size; symbol += SymbolSize)
            {
                var isGlobal = bytes[symbol + 4] >> 4 == 1;
                var isUndefined = UInt16(symbol + 6) == 0;
                if (isGlobal && isUndefined && Text(section.Strings + (int)UInt32(symbol)) is var name && IsTorchSymbol(name))
                {
                    yield return name;
                }
            }
        }
    }

    // Mangled names carry each namespace with its length in front.
    private static bool IsTorchSymbol(string name) =>
        name.Contains("2at", StringComparison.Ordinal) || name.Contains("3c10", StringComparison.Ordinal) ||
        name.Contains("5torch", StringComparison.Ordinal) || name.Contains("6caffe2", StringComparison.Ordinal);

    private IEnumerable<(int Offset, int Size, uint Info, int Strings)> Sections(uint type)
    {
        var table = (int)UInt64(0x28);
        int entrySize = UInt16(0x3a), count = UInt16(0x3c);
        for (var i = 0; i < count; i++)
        {
            var header = table + (i * entrySize);
            if (UInt32(header + 4) == type)
            {
                var strings = (int)UInt64(table + ((int)UInt32(header + 40) * entrySize) + 24);
                yield return ((int)UInt64(header + 24), (int)UInt64(header + 32), UInt32(header + 44), strings);
            }
        }
    }

    private ushort UInt16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(offset));

    private uint UInt32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset));

    private ulong UInt64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(offset));

    private string Text(int offset) => Encoding.ASCII.GetString(bytes, offset, bytes.AsSpan(offset).IndexOf((byte)0));
}
