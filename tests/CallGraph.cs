using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace Pascl.Tests;

/// <summary>
/// What the methods of an assembly may call, from their code and without running it. A call of a virtual method counts as one of every method of the assembly with its
/// name, but of .NET's own, such as <c>Dispose</c>; a delegate, an iterator and an asynchronous method count as run where they are made.
/// </summary>
internal sealed class CallGraph
{
    private const BindingFlags Everything = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
    private const byte TwoByteCode = 0xFE;

    private static readonly Dictionary<int, OpCode> codes = typeof(OpCodes).GetFields(BindingFlags.Static | BindingFlags.Public)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value & 0xFFFF);

    private readonly Assembly assembly;
    private readonly ILookup<string, MethodBase> overrides;

    public CallGraph(Assembly assembly)
    {
        this.assembly = assembly;
        // What implements an interface of .NET by its full name is called by that interface alone.
        overrides = assembly.GetTypes().SelectMany(type => type.GetMethods(Everything))
            .Where(method => method.IsVirtual && !method.IsAbstract && !method.Name.StartsWith("System.", StringComparison.Ordinal))
            .ToLookup(method => NameOf(method), MethodBase (method) => method);
    }

    /// <summary>Every call in methods and in all that they may call within the assembly.</summary>
    /// <param name="starts">Where to begin.</param>
    public IEnumerable<(MethodBase Caller, MethodBase Callee)> CallsFrom(params MethodBase[] starts)
    {
        var (seen, open) = (new HashSet<MethodBase>(starts), new Stack<MethodBase>(starts));
        while (open.TryPop(out var caller))
        {
            foreach (var callee in Calls(caller))
            {
                yield return (caller, callee);
                foreach (var next in Targets(callee).Where(seen.Add))
                {
                    open.Push(next);
                }
            }
        }
    }

    private IEnumerable<MethodBase> Targets(MethodBase callee)
    {
        var type = callee.DeclaringType!;
        if (type.Assembly == assembly)
        {
            yield return Definition(callee);
            if (type.TypeInitializer is { } initializer)
            {
                yield return Definition(initializer);
            }

            if (callee.IsConstructor && type.GetMethod("MoveNext", Everything) is { } iterator)
            {
                yield return Definition(iterator);
            }
        }

        foreach (var argument in callee.IsGenericMethod ? callee.GetGenericArguments() : [])
        {
            if (argument.Assembly == assembly && typeof(IAsyncStateMachine).IsAssignableFrom(argument) && argument.GetMethod("MoveNext", Everything) is { } asynchronous)
            {
                yield return Definition(asynchronous);
            }
        }

        if (callee.IsVirtual && !typeof(Delegate).IsAssignableFrom(type) && type.Namespace?.StartsWith("System", StringComparison.Ordinal) != true)
        {
            foreach (var method in overrides[NameOf(callee)])
            {
                yield return method;
            }
        }
    }

    // Of a generic method or a method of a generic type, the one with the code.
    private static MethodBase Definition(MethodBase method) => method.Module.ResolveMethod(method.MetadataToken)!;

    private static string NameOf(MethodBase method) => $"{method.Name[(method.Name.LastIndexOf('.') + 1)..]}/{method.GetParameters().Length}";

    private static IEnumerable<MethodBase> Calls(MethodBase method)
    {
        var code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        var typeArguments = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (var i = 0; i < code.Length;)
        {
            var operation = codes[code[i] == TwoByteCode ? (TwoByteCode << 8) | code[i + 1] : code[i]];
            i += operation.Size;
            if (operation.OperandType == OperandType.InlineMethod)
            {
                yield return method.Module.ResolveMethod(BitConverter.ToInt32(code, i), typeArguments, methodArguments)!;
            }

            i += operation.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, i)),
                _ => 4,
            };
        }
    }
}
