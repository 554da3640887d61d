using System.Reflection;
using Pascl.Training;
using Pascl.Training.Cli;

namespace Pascl.Tests.Packages;

/// <summary>
/// What a project can call that has the package <c>Pascl.Training</c> and not the libraries of its commands: by the code of every public method and of all it may call,
/// none of it ends in a library that is not there. <see cref="PasclCommand.Run(string[])"/> alone does, which looks for them first.
/// </summary>
public sealed class LibraryBoundaryTests
{
    private const BindingFlags Declared = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly string[] left =
        ["System.CommandLine", "Spectre.Console", "ScottPlot", "HarfBuzzSharp", "SkiaSharp.HarfBuzz", "Prometheus", "Microsoft.AspNetCore", "Microsoft.Extensions"];

    private static readonly MethodInfo commands = typeof(PasclCommand).GetMethod(nameof(PasclCommand.Run), [typeof(string[])])!;

    private static Assembly Library => typeof(Trainer).Assembly;

    [Test]
    public void no_public_member_shows_a_library_of_the_commands()
    {
        var found = Library.GetExportedTypes().SelectMany(type => Shown(type).Where(IsLeft).Select(shown => $"{type.Name} shows {shown.FullName}"));
        Assert.That(found, Is.Empty);
    }

    [Test]
    public void no_public_method_but_the_commands_themselves_reaches_one()
    {
        MethodBase[] doors = [.. Library.GetExportedTypes().SelectMany(Doors).Where(method => method != commands)];
        Assert.That(doors, Has.Length.GreaterThan(500));
        Assert.That(
            string.Join('\n', Reached(doors).Select(call => $"{call.Caller.DeclaringType}.{call.Caller.Name} calls {call.Callee.DeclaringType!.Assembly.GetName().Name}").Distinct()), Is.Empty);
    }

    [Test]
    public void the_commands_reach_all_of_them()
    {
        var reached = Reached(commands).Select(call => call.Callee.DeclaringType!.Assembly.GetName().Name).ToHashSet();
        Assert.That(reached, Is.SupersetOf((string[])[
            "System.CommandLine", "Spectre.Console", "ScottPlot", "Prometheus.NetStandard", "Microsoft.AspNetCore", "Microsoft.Extensions.DependencyInjection.Abstractions"]));
    }

    private static IEnumerable<(MethodBase Caller, MethodBase Callee)> Reached(params MethodBase[] starts) =>
        new CallGraph(Library).CallsFrom(starts).Where(call => IsLeft(call.Callee.DeclaringType!));

    private static IEnumerable<MethodBase> Doors(Type type) =>
        type.GetMethods(Declared).Concat<MethodBase>(type.GetConstructors(Declared)).Where(method => IsOpen(method) || method is ConstructorInfo { IsStatic: true });

    private static IEnumerable<Type> Shown(Type type)
    {
        var ofMethods = type.GetMethods(Declared).Concat<MethodBase>(type.GetConstructors(Declared)).Where(IsOpen)
            .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType).Append((method as MethodInfo)?.ReturnType ?? typeof(void)));
        var ofFields = type.GetFields(Declared).Where(field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly).Select(field => field.FieldType);
        return ofMethods.Concat(ofFields).Concat(type.GetInterfaces()).Append(type.BaseType ?? typeof(object)).SelectMany(Parts);
    }

    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!) : type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Append(type) : [type];

    private static bool IsOpen(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static bool IsLeft(Type type) => left.Any(name => type.Assembly.GetName().Name!.StartsWith(name, StringComparison.Ordinal));
}
