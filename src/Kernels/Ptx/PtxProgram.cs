using System.Globalization;
using System.Text.RegularExpressions;
using Pascl.Kernels.Device;

namespace Pascl.Kernels.Ptx;

/// <summary>The text of a PTX kernel, read into instructions whose operands are rows of a register file.</summary>
/// <remarks>
/// Whatever an operand names becomes a row: a register of the text, a literal, the address of a variable, and a special register such as <c>%tid.x</c>. Rows of
/// literals are filled once, those of special registers for every block. Source: PTX ISA 7.0, as far as ILGPU and the inline assembly of the kernels use it.
/// </remarks>
internal sealed partial class PtxProgram
{
    private readonly Dictionary<string, int> rows = [];
    private readonly Dictionary<string, int> labels = [];
    private readonly Dictionary<string, ulong> symbols = [];
    private readonly List<PtxInstruction> instructions = [];
    private readonly List<(int Row, ulong Value)> constants = [];
    private readonly List<(int Row, string Name)> specials = [];
    private readonly List<(int Instruction, string[] Labels)> jumps = [];
    private readonly List<string> names = [];
    private readonly Dictionary<string, string> files;
    private string[] branchTargets = [];
    private int dynamicAlignment = 1;

    private PtxProgram(string text)
    {
        files = File().Matches(text).ToDictionary(file => file.Groups["number"].Value, file => file.Groups["name"].Value);
        var body = ReadHead(text);
        ReadStatements(text, body);
        foreach (var (instruction, targets) in jumps)
        {
            instructions[instruction].Targets = [.. targets.Select(target => labels[target])];
        }
    }

    /// <summary>The instructions, in the order of the text.</summary>
    public IReadOnlyList<PtxInstruction> Instructions => instructions;

    /// <summary>Rows of the register file.</summary>
    public int Rows => names.Count;

    /// <summary>Rows that hold one value in every lane, always.</summary>
    public IReadOnlyList<(int Row, ulong Value)> Constants => constants;

    /// <summary>Rows of special registers, by their names.</summary>
    public IReadOnlyList<(int Row, string Name)> Specials => specials;

    /// <summary>Where each parameter lies among the bytes of all of them, and their sum.</summary>
    public List<int> ParameterOffsets { get; } = [];

    /// <summary>Bytes of shared memory that the kernel declares itself.</summary>
    public int StaticSharedBytes { get; private set; }

    /// <summary>Bytes of memory of its own that each thread has besides its registers.</summary>
    public int LocalBytes { get; private set; }

    /// <summary>Where dynamic shared memory begins.</summary>
    public int DynamicSharedOffset { get; private set; }

    /// <summary>Bytes of the smallest access to memory, which decides how finely accesses are told apart.</summary>
    public int SmallestAccess { get; private set; } = 4;

    /// <summary>Reads a module with one kernel.</summary>
    /// <exception cref="DeviceException">The text uses something that is not known here; the message names the line.</exception>
    public static PtxProgram Parse(string text) => new(text);

    /// <summary>The name of a row, for messages.</summary>
    public string NameOf(int row) => names[row];

    // Everything before the body: dynamic shared memory and the parameters. Returns where the body begins.
    private int ReadHead(string text)
    {
        var entry = text.IndexOf(".entry", StringComparison.Ordinal);
        var (open, close) = (text.IndexOf('(', entry), text.IndexOf(')', entry));
        var offset = 0;
        foreach (Match match in ParameterDeclaration().Matches(text[open..close]))
        {
            var bytes = match.Groups["count"].Success ? Number(match.Groups["count"].Value) : Number(match.Groups["bits"].Value) / 8;
            offset = RoundUp(offset, match.Groups["count"].Success ? 8 : bytes);
            symbols[match.Groups["name"].Value] = (ulong)offset;
            ParameterOffsets.Add(offset);
            offset += bytes;
        }

        if (DynamicShared().Match(text) is { Success: true } dynamic)
        {
            symbols[dynamic.Groups["name"].Value] = 0;
            dynamicAlignment = Number(dynamic.Groups["align"].Value);
        }

        return text.IndexOf('{', close) + 1;
    }

    private void ReadStatements(string text, int start)
    {
        // A register declared inside braces, as inline assembly does, is another one than its namesakes outside.
        var scopes = new Stack<Dictionary<string, int>>();
        var line = 1 + text.AsSpan(0, start).Count('\n');
        var source = "";
        var i = start;
        while (true)
        {
            for (; i < text.Length && char.IsWhiteSpace(text[i]); i++)
            {
                line += text[i] == '\n' ? 1 : 0;
            }

            if (i >= text.Length || (text[i] == '}' && scopes.Count == 0))
            {
                break;
            }

            if (text[i] is '{' or '}')
            {
                if (text[i++] == '{')
                {
                    scopes.Push([]);
                }
                else
                {
                    scopes.Pop();
                }

                continue;
            }

            if (text.AsSpan(i).StartsWith("//"))
            {
                i = text.IndexOf('\n', i);
                continue;
            }

            if (Location().Match(text, i) is { Success: true } location)
            {
                source = $"{files[location.Groups["file"].Value]}:{location.Groups["line"].Value}";
                i += location.Length;
                continue;
            }

            var end = text.AsSpan(i).IndexOfAny(';', ':');
            var statement = text.Substring(i, end).Trim();
            i += end + 1;
            if (text[i - 1] == ':')
            {
                labels[statement] = instructions.Count;
            }
            else
            {
                ReadStatement(statement, new PtxPlace(line, source), scopes);
            }

            line += statement.AsSpan().Count('\n');
        }

        instructions.Add(new PtxInstruction("ret", -1, false, [], new PtxPlace(line, source)));
        DynamicSharedOffset = Misaligned(StaticSharedBytes, dynamicAlignment);
        foreach (var index in Enumerable.Range(0, constants.Count).Where(index => names[constants[index].Row] == "__dyn_shared_alloca"))
        {
            constants[index] = (constants[index].Row, (ulong)DynamicSharedOffset);
        }
    }

    private void ReadStatement(string statement, PtxPlace place, Stack<Dictionary<string, int>> scopes)
    {
        if (Variable().Match(statement) is { Success: true } variable)
        {
            var isShared = variable.Groups["space"].Value == "shared";
            var offset = Misaligned(isShared ? StaticSharedBytes : LocalBytes, Number(variable.Groups["align"].Value));
            symbols[variable.Groups["name"].Value] = (ulong)offset;
            var end = offset + Number(variable.Groups["count"].Value);
            (StaticSharedBytes, LocalBytes) = isShared ? (end, LocalBytes) : (StaticSharedBytes, end);
            return;
        }

        if (statement.StartsWith(".reg", StringComparison.Ordinal))
        {
            if (scopes.Count > 0)
            {
                scopes.Peek()[statement.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[^1]] = NewRow(statement.Split(' ', '\t')[^1]);
            }

            return;
        }

        if (statement.StartsWith(".branchtargets", StringComparison.Ordinal))
        {
            branchTargets = [.. statement[".branchtargets".Length..].Split(',').Select(label => label.Trim())];
            return;
        }

        if (statement.StartsWith('.'))
        {
            throw place.Unknown(statement);
        }

        var (guard, negated) = (-1, false);
        if (statement[0] == '@')
        {
            var space = statement.AsSpan().IndexOfAny(' ', '\t');
            negated = statement[1] == '!';
            guard = Row(statement[(negated ? 2 : 1)..space], scopes);
            statement = statement[space..].TrimStart();
        }

        var nameEnd = statement.AsSpan().IndexOfAny(' ', '\t');
        var opcode = nameEnd < 0 ? statement : statement[..nameEnd];
        var texts = nameEnd < 0 ? [] : OperandText().Matches(statement[nameEnd..]).Select(match => match.Value.Trim()).Where(text => text.Length > 0).ToArray();
        var jumpsTo = opcode switch
        {
            _ when opcode.StartsWith("brx", StringComparison.Ordinal) => branchTargets,
            _ when opcode.StartsWith("bra", StringComparison.Ordinal) => texts,
            _ => [],
        };
        if (jumpsTo.Length > 0)
        {
            jumps.Add((instructions.Count, jumpsTo));
            texts = opcode.StartsWith("brx", StringComparison.Ordinal) ? texts[..1] : [];
        }

        var operands = texts.Select(text => Operand(text, scopes)).ToArray();
        instructions.Add(new PtxInstruction(opcode, guard, negated, operands, place));
        if (opcode.StartsWith("ld.", StringComparison.Ordinal) || opcode.StartsWith("st.", StringComparison.Ordinal))
        {
            SmallestAccess = Math.Min(SmallestAccess, PtxType.Of(opcode[(opcode.LastIndexOf('.') + 1)..]).Bytes);
        }
    }

    private PtxOperand Operand(string text, Stack<Dictionary<string, int>> scopes)
    {
        if (text[0] == '{')
        {
            return new PtxOperand([.. text[1..^1].Split(',').Select(part => Row(part.Trim(), scopes))], 0);
        }

        if (text[0] == '[')
        {
            var parts = text[1..^1].Split('+');
            return new PtxOperand([Row(parts[0].Trim(), scopes)], parts.Length > 1 ? Number(parts[1].Trim()) : 0);
        }

        // setp may write a second predicate: p|q.
        return new PtxOperand([.. text.Split('|').Select(part => Row(part, scopes))], 0);
    }

    private int Row(string text, Stack<Dictionary<string, int>> scopes)
    {
        foreach (var scope in scopes)
        {
            if (scope.TryGetValue(text, out var local))
            {
                return local;
            }
        }

        if (rows.TryGetValue(text, out var row))
        {
            return row;
        }

        row = NewRow(text);
        rows[text] = row;
        if (text[0] == '%')
        {
            if (text.Contains('.', StringComparison.Ordinal) || text is "%dynamic_smem_size" or "%laneid" or "%warpid")
            {
                specials.Add((row, text));
            }
        }
        else
        {
            constants.Add((row, symbols.TryGetValue(text, out var address) ? address : Literal(text)));
        }

        return row;
    }

    private int NewRow(string name)
    {
        names.Add(name);
        return names.Count - 1;
    }

    private static ulong Literal(string text) => text switch
    {
        ['0', 'f' or 'F' or 'd' or 'D' or 'x' or 'X', .. var digits] => ulong.Parse(digits.TrimEnd('U'), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
        ['-', ..] => (ulong)long.Parse(text, CultureInfo.InvariantCulture),
        _ when ulong.TryParse(text, CultureInfo.InvariantCulture, out var number) => number,
        _ => throw new DeviceException($"{text} is neither a register, a literal nor a variable of this PTX."),
    };

    // What may lie at an odd place does: a multiple of its alignment that is no multiple of a greater one, so that code which relies on more is found out.
    private static int Misaligned(int offset, int alignment)
    {
        var aligned = RoundUp(offset, alignment);
        return alignment >= 128 || aligned % (2 * alignment) != 0 ? aligned : aligned + alignment;
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s*\.file\s+(?<number>\d+)\s+""(?<name>[^""]*)""", RegexOptions.Multiline)]
    private static partial Regex File();

    [GeneratedRegex(@"\G\.loc\s+(?<file>\d+)\s+(?<line>\d+)\s+\d+")]
    private static partial Regex Location();

    [GeneratedRegex(@"\.param\s+(?:\.align\s+\d+\s+)?\.[bufs](?<bits>\d+)\s+(?<name>\w+)(?:\[(?<count>\d+)\])?")]
    private static partial Regex ParameterDeclaration();

    [GeneratedRegex(@"\.extern\s+\.shared\s+\.align\s+(?<align>\d+)\s+\.b8\s+(?<name>\w+)\[\]")]
    private static partial Regex DynamicShared();

    [GeneratedRegex(@"^\.(?<space>shared|local)\s+\.align\s+(?<align>\d+)\s+\.b8\s+(?<name>\w+)\[(?<count>\d+)\]")]
    private static partial Regex Variable();

    // Operands are separated by commas outside of brackets and braces.
    [GeneratedRegex(@"\[[^\]]*\]|\{[^}]*\}|[^,\[\]{}]+")]
    private static partial Regex OperandText();
}

/// <summary>A type of PTX: its kind and width.</summary>
/// <param name="Kind"><c>s</c>igned, <c>u</c>nsigned, <c>b</c>its, <c>f</c>loating point, <c>p</c>redicate.</param>
/// <param name="Bits">Width.</param>
internal readonly record struct PtxType(char Kind, int Bits)
{
    /// <summary>Bytes in memory.</summary>
    public int Bytes => Bits / 8;

    /// <summary>The bits that a value has.</summary>
    public ulong Mask => Bits == 64 ? ulong.MaxValue : (1ul << Bits) - 1;

    /// <summary>The type that a modifier names.</summary>
    public static PtxType Of(string part) => TryRead(part, out var type) ? type : throw new DeviceException($".{part} is not a type of PTX that is known here.");

    /// <summary>Reads a modifier that may be a type.</summary>
    public static bool TryRead(string part, out PtxType type)
    {
        type = part == "pred" ? new('p', 1) : part == "bf16x2" ? new('b', 32) : default;
        if (type.Bits == 0 && part.Length > 1 && part[0] is 's' or 'u' or 'b' or 'f' && int.TryParse(part.AsSpan(1), CultureInfo.InvariantCulture, out var bits))
        {
            type = new(part[0], bits);
        }

        return type.Bits > 0;
    }

    /// <summary>A value of this type with its sign carried to 64 bits.</summary>
    public long Signed(ulong value) => (long)(value << (64 - Bits)) >> (64 - Bits);

    /// <summary>A value of this type as a 64-bit integer.</summary>
    public long Integer(ulong value) => Kind == 's' ? Signed(value) : (long)(value & Mask);
}
