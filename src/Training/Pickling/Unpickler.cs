using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Pascl.Training.Pickling;

/// <summary>
/// Reads the plain values of a Python pickle, protocols 2 to 5: dictionaries, lists, tuples, sets, numbers, strings, and what its reader allows by name. A
/// pickle is a program; this machine can call nothing but the functions of that list, which are C# and only make values, and it stops at the first
/// instruction that it does not know. Opcodes: CPython, Lib/pickletools.py.
/// </summary>
internal sealed class Unpickler
{
    // A few bytes of a pickle make a container or call a function; without a limit a small file could ask for much memory.
    private const int MostObjects = 1 << 21;

    private static readonly object mark = new();
    private readonly ReadOnlyMemory<byte> program;
    private readonly PickledNames names;
    private readonly PickledFunction? persistent;
    private readonly Stack<object?> stack = new();
    private readonly List<object?> memo = [];
    private int position;
    private int objects;
    private long madeBytes;

    private Unpickler(ReadOnlyMemory<byte> program, PickledNames names, PickledFunction? persistent) =>
        (this.program, this.names, this.persistent) = (program, names, persistent);

    /// <summary>
    /// The value that a pickle holds: byte strings as memory, other strings as text, integers as long, containers as .NET's.
    /// </summary>
    /// <param name="program">The pickle.</param>
    /// <param name="names">What it may ask for.</param>
    /// <param name="persistent">Makes the objects that the pickle names instead of holding them; null where it may name none.</param>
    /// <exception cref="InvalidDataException">The pickle is cut short, damaged, or asks for more than it may.</exception>
    public static object? Load(ReadOnlyMemory<byte> program, PickledNames names, PickledFunction? persistent = null) =>
        new Unpickler(program, names, persistent).Run();

    private object? Run()
    {
        while (true)
        {
            var code = Take(1)[0];
            if (code == '.')
            {
                return Pop<object?>();
            }

            Execute(code);
        }
    }

    private void Execute(byte code)
    {
        switch (code)
        {
            case 0x80: Take(1); break; // PROTO
            case 0x95: Take(8); break; // FRAME
            case (byte)'(': stack.Push(mark); break;
            case (byte)'N': stack.Push(null); break;
            case 0x88: stack.Push(true); break;
            case 0x89: stack.Push(false); break;
            case (byte)'K': stack.Push((long)Take(1)[0]); break;
            case (byte)'M': stack.Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case (byte)'J': stack.Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
            case (byte)'G': stack.Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case 0x8a: stack.Push(LittleEndian(Take(Take(1)[0]))); break; // LONG1
            case 0x8b: stack.Push(LittleEndian(Take(TakeInt32()))); break; // LONG4
            case (byte)'U' or (byte)'C': stack.Push(TakeMemory(Take(1)[0])); break;
            case (byte)'T' or (byte)'B': stack.Push(TakeMemory(TakeInt32())); break;
            case 0x8c: stack.Push(Encoding.UTF8.GetString(Take(Take(1)[0]))); break; // SHORT_BINUNICODE
            case (byte)'X': stack.Push(Encoding.UTF8.GetString(Take(TakeInt32()))); break;
            case 0x8d: stack.Push(Encoding.UTF8.GetString(Take(TakeInt64()))); break; // BINUNICODE8
            case 0x8e or 0x96: stack.Push(TakeMemory(TakeInt64())); break; // BINBYTES8, BYTEARRAY8
            case 0x97 or 0x98: // NEXT_BUFFER, READONLY_BUFFER
                throw new InvalidDataException("its bytes were put beside it (out-of-band buffers of protocol 5); pickle it without buffer_callback");
            case (byte)'}': Make(new Dictionary<string, object?>()); break;
            case (byte)']': Make(new List<object?>()); break;
            case 0x8f: Make(new PickledSet()); break; // EMPTY_SET
            case 0x91: PopToMark(); Make(new PickledSet()); break; // FROZENSET
            case (byte)')': stack.Push(Array.Empty<object?>()); break;
            case 0x85 or 0x86 or 0x87: Make(PopMany(code - 0x84)); break; // TUPLE1 to TUPLE3
            case (byte)'t': Make(PopToMark()); break;
            case 0x90: PopToMark(); Peek<PickledSet>(); break; // ADDITEMS
            case (byte)'a': Append([Pop<object?>()]); break;
            case (byte)'e': Append(PopToMark()); break;
            case (byte)'s': SetItems(PopMany(2)); break;
            case (byte)'u': SetItems(PopToMark()); break;
            case (byte)'q': Remember(Take(1)[0]); break;
            case (byte)'r': Remember(TakeInt32()); break;
            case 0x94: Remember(memo.Count); break; // MEMOIZE
            case (byte)'h': Recall(Take(1)[0]); break;
            case (byte)'j': Recall(TakeInt32()); break;
            case (byte)'c': stack.Push(names.Find(TakeLine(), TakeLine())); break;
            case 0x93: var name = Pop<string>(); stack.Push(names.Find(Pop<string>(), name)); break; // STACK_GLOBAL
            case (byte)'Q' when persistent is not null: stack.Push(persistent(Pop<object?[]>())); break; // BINPERSID
            case (byte)'R' or 0x81: Call(Pop<object?[]>()); break; // REDUCE, NEWOBJ
            case 0x92: Pop<Dictionary<string, object?>>(); Call(Pop<object?[]>()); break; // NEWOBJ_EX
            case (byte)'b': Build(Pop<object?>()); break;
            default: throw new InvalidDataException($"it uses instruction 0x{code:x2}, which plain values do not need");
        }
    }

    private void Call(object?[] arguments)
    {
        var made = Pop<PickledFunction>()(arguments);
        madeBytes += (made as ReadOnlyMemory<byte>?)?.Length ?? 0;
        if (madeBytes > program.Length)
        {
            // A string can be recalled from the memo any number of times, and each would be copied.
            throw new InvalidDataException("it makes more bytes than it holds");
        }

        Make(made);
    }

    private void Make(object made)
    {
        if (++objects > MostObjects)
        {
            throw new InvalidDataException($"it makes more than {MostObjects:N0} objects");
        }

        stack.Push(made);
    }

    private void Build(object? state)
    {
        switch (stack.TryPeek(out var target) ? target : null)
        {
            case IPickledState stateful: stateful.SetState(state); break;
            case Dictionary<string, object?>: break; // attributes of an OrderedDict, which are not its items
            default: throw Damaged();
        }
    }

    private void Append(object?[] items) => Peek<List<object?>>().AddRange(items);

    private void SetItems(object?[] items)
    {
        var dictionary = Peek<Dictionary<string, object?>>();
        for (var i = 0; i + 1 < items.Length; i += 2)
        {
            // What has another key, such as a tuple, is nothing that any reader here looks for.
            if (PickledText.Key(items[i]) is { } key)
            {
                dictionary[key] = items[i + 1];
            }
        }
    }

    private void Remember(int index)
    {
        if (index < 0 || index > program.Length)
        {
            throw Damaged();
        }

        while (memo.Count <= index)
        {
            memo.Add(null);
        }

        memo[index] = Peek<object?>();
    }

    private void Recall(int index) => stack.Push(index >= 0 && index < memo.Count ? memo[index] : throw Damaged());

    private object?[] PopMany(int count)
    {
        var items = new object?[count];
        for (var i = count - 1; i >= 0; i--)
        {
            items[i] = Pop<object?>();
        }

        return items;
    }

    private object?[] PopToMark()
    {
        var items = new List<object?>();
        for (var item = Pop<object?>(); item != mark; item = Pop<object?>())
        {
            items.Add(item);
        }

        items.Reverse();
        return [.. items];
    }

    private T Pop<T>()
    {
        var value = Peek<T>();
        stack.Pop();
        return value;
    }

    private T Peek<T>() =>
        stack.TryPeek(out var value) && (value is T || (value is null && typeof(T) == typeof(object))) ? (T)value! : throw Damaged();

    private ReadOnlySpan<byte> Take(long count) => TakeMemory(count).Span;

    private ReadOnlyMemory<byte> TakeMemory(long count)
    {
        if (count < 0 || count > program.Length - position)
        {
            throw new InvalidDataException("it is cut short");
        }

        position += (int)count;
        return program.Slice(position - (int)count, (int)count);
    }

    private int TakeInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    private long TakeInt64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    private string TakeLine()
    {
        var length = program.Span[position..].IndexOf((byte)'\n');
        var line = Encoding.ASCII.GetString(Take(length));
        Take(1);
        return line;
    }

    // Seeds and hashes may have more than 64 bits; no reader here needs those exactly.
    private static object LittleEndian(ReadOnlySpan<byte> bytes)
    {
        Span<byte> wide = stackalloc byte[sizeof(long)];
        wide.Fill(bytes.Length > 0 && bytes[^1] >= 0x80 ? (byte)0xff : (byte)0);
        return bytes.TryCopyTo(wide) ? BinaryPrimitives.ReadInt64LittleEndian(wide) : (object)(double)new BigInteger(bytes);
    }

    private static InvalidDataException Damaged() => new("it is damaged");
}

/// <summary>A value that a pickle makes first and fills afterwards.</summary>
internal interface IPickledState
{
    /// <summary>Takes what the pickle says of it.</summary>
    void SetState(object? state);
}

/// <summary>A constructor that a pickle may call.</summary>
internal delegate object PickledFunction(object?[] arguments);

/// <summary>The only names that a pickle may ask for.</summary>
/// <param name="allowed">By module and name: a <see cref="PickledFunction"/> where the pickle may call it, else a value.</param>
/// <param name="purpose">What they make, for the message: <c>NumPy arrays</c>.</param>
internal sealed class PickledNames(IReadOnlyDictionary<string, object> allowed, string purpose)
{
    /// <summary>What a name stands for.</summary>
    /// <exception cref="InvalidDataException">It is not allowed.</exception>
    public object Find(string module, string name) => allowed.TryGetValue($"{module}.{name}", out var value)
        ? value
        : throw new InvalidDataException($"it asks for {PickledText.Shown($"{module}.{name}")}, and only {purpose} are allowed");
}

/// <summary>A set, whose items no reader here needs.</summary>
internal sealed class PickledSet;

/// <summary>A value that is read and not used: a device, a numerical type, the arguments of a script.</summary>
internal sealed class PickledUnused : IPickledState
{
    public static PickledUnused Value { get; } = new();

    /// <inheritdoc/>
    public void SetState(object? state)
    {
    }
}

internal static class PickledText
{
    private const int LongestShown = 80;

    // A pickle can recall a long string any number of times, and each would be converted or hashed.
    private const int LongestName = 1000;

    /// <summary>A string of either kind as text.</summary>
    public static string Text(object? value) => value switch
    {
        string text => text,
        ReadOnlyMemory<byte> bytes => Encoding.Latin1.GetString(bytes.Span),
        _ => throw new InvalidDataException("it is damaged: a string was expected"),
    };

    /// <summary>The key of a dictionary: a string, or a whole number in decimal; null for any other, and for a long string.</summary>
    public static string? Key(object? value) => value switch
    {
        long number => number.ToString(CultureInfo.InvariantCulture),
        string { Length: <= LongestName } or ReadOnlyMemory<byte> { Length: <= LongestName } => Text(value),
        _ => null,
    };

    /// <summary>A short string of either kind as text.</summary>
    /// <exception cref="InvalidDataException">It is none, or long.</exception>
    public static string Name(object? value) => value is not long && Key(value) is { } name
        ? name
        : throw new InvalidDataException("it is damaged: a name was expected");

    /// <summary>Text from a file as a message may show it: short, and without control characters.</summary>
    public static string Shown(string text)
    {
        var visible = string.Concat(text.Take(LongestShown).Select(letter => char.IsControl(letter) ? '?' : letter));
        return text.Length <= LongestShown ? visible : visible + "...";
    }
}

/// <summary>The element type of a NumPy array, for example <c>u1</c>.</summary>
internal sealed record PickledType(string Name) : IPickledState
{
    /// <summary>Byte order and padding, which no reader here needs: the one reads single bytes, the other no values.</summary>
    public void SetState(object? state)
    {
    }
}
