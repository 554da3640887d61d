using System.Reflection;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Pascl.Tests.Processes;

/// <summary>A test's method whose body runs in a worker process; what NUnit reads of it by reflection is the method's own.</summary>
internal sealed class RemoteMethod(IMethodInfo method, TestName test, WorkerPool pool) : IMethodInfo
{
    private static readonly string[] phases =
    [
        nameof(TestSuite.OneTimeSetUpMethods), nameof(TestSuite.OneTimeTearDownMethods), nameof(Test.SetUpMethods), nameof(Test.TearDownMethods),
    ];

    public ITypeInfo TypeInfo => method.TypeInfo;

    public MethodInfo MethodInfo => method.MethodInfo;

    public string Name => method.Name;

    public bool IsAbstract => method.IsAbstract;

    public bool IsPublic => method.IsPublic;

    public bool IsStatic => method.IsStatic;

    public bool ContainsGenericParameters => method.ContainsGenericParameters;

    public bool IsGenericMethod => method.IsGenericMethod;

    public bool IsGenericMethodDefinition => method.IsGenericMethodDefinition;

    public ITypeInfo ReturnType => method.ReturnType;

    /// <summary>Replaces the methods of all tests; their fixtures are neither constructed nor set up here, because the workers do that.</summary>
    public static void Replace(ITest root, WorkerPool pool)
    {
        foreach (var (test, name) in TestName.OfAll(root))
        {
            ((TestMethod)test).Method = new RemoteMethod(test.Method!, name, pool);
        }

        Empty(root);
    }

    public IParameterInfo[] GetParameters() => method.GetParameters();

    public Type[] GetGenericArguments() => method.GetGenericArguments();

    public IMethodInfo MakeGenericMethod(params Type[] typeArguments) => method.MakeGenericMethod(typeArguments);

    public T[] GetCustomAttributes<T>(bool inherit)
        where T : class => method.GetCustomAttributes<T>(inherit);

    public bool IsDefined<T>(bool inherit)
        where T : class => method.IsDefined<T>(inherit);

    /// <summary>Always throws, because an exception is how a method tells NUnit any result, success included.</summary>
    public object? Invoke(object? fixture, params object?[]? args)
    {
        var result = pool.Run(test);
        TestContext.Out.Write(result.Output);
        throw new RemoteResultException(result);
    }

    private static void Empty(ITest test)
    {
        if (test is not TestSuite suite)
        {
            return;
        }

        foreach (var phase in phases)
        {
            // NUnit lets only derived suites set these, and nothing else decides what it calls around a test.
            typeof(TestSuite).GetProperty(phase)!.GetSetMethod(nonPublic: true)!.Invoke(suite, [Array.Empty<IMethodInfo>()]);
        }

        if (suite.TypeInfo is not null)
        {
            suite.Fixture = new();
        }

        foreach (var child in suite.Tests)
        {
            Empty(child);
        }
    }
}
